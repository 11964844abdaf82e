"""A file in the place of another: readers see one whole content, and a failure leaves what was there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.core.files import OTHERS, read_limited, replace_file, replace_text


@pytest.mark.parametrize("is_durable", [False, True])
def test_the_new_content_stands_in_the_place_of_the_old_and_nothing_beside_it(
    tmp_path: Path, is_durable: bool
) -> None:
    file = tmp_path / "deep" / "plan.json"
    assert replace_text(file, "old", is_durable=is_durable) == file
    replace_text(file, "größer\n", is_durable=is_durable)
    assert file.read_bytes() == "größer\n".encode()
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "plan.json", "four")
    assert read_limited(file, 4) == b"four"
    with file.open("r+b") as opened:
        opened.truncate(2**40)  # takes no room on the disk, and would take more than the memory
    with pytest.raises(OSError, match="1,099,511,627,776 bytes, and at most 16,777,216 are read"):
        read_limited(file)


def test_a_writer_that_fails_leaves_the_old_content_and_no_half(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "plan.json", "old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(file, fail)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_while_it_is_written_readers_see_the_old_content(tmp_path: Path) -> None:
    file = replace_text(tmp_path / "plan.json", "old")
    seen = []

    def write(partial: Path) -> None:
        partial.write_text("new")
        seen.append(file.read_text())

    replace_file(file, write)
    assert (seen, file.read_text()) == (["old"], "new")


MAKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from mlops_assets.definitions import defs
from mlops_assets.core.files import replace_text
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.registry.mlflow_client import mlflow_client
home = Path(sys.argv[1])
defs()
DeltaTables(str(home / "tables")).write("fraud", "events", pl.DataFrame({"n": [1]}), days=None, commit=CommitInfo("x"))
open_online_store(str(home / "online"), "fraud").commit([StateChange("a", ABSENT, b"b")], [])
replace_text(home / "serving" / "plan.json", "{}")
mlflow_client(f"sqlite:///{home}/mlflow.db").create_experiment("x")
"""


def test_what_a_process_of_the_platform_makes_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "MLOPS_HOME": str(home)}
    subprocess.run([sys.executable, "-c", MAKE, str(home)], env=environment, check=True, umask=0o022)
    made = [home, *home.rglob("*")]
    assert {"events", "fraud.sqlite", "plan.json", "mlflow.db"} <= {path.name for path in made}
    open_to_others = {str(path): oct(path.stat().st_mode) for path in made if path.stat().st_mode & OTHERS}
    assert open_to_others == {}
