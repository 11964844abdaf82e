"""What people read about a deletion: how much, why, and how to go on."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mlops_assets.commands.gc import Removal
from mlops_assets.commands.gc_table import print_removals, purge_hint, readable_size
from mlops_assets.core.settings import load_settings

SETTINGS = load_settings(
    {"MLFLOW_TRACKING_URI": "postgresql://me:hunter2@host/mlflow"}, working_directory=Path("/")
)


def removal(kind: str, *names: str, size: int = 0) -> Removal:
    return Removal(
        product="shop",
        kind=kind,
        names=names,
        size_bytes=size,
        oldest=datetime(2026, 1, 2, tzinfo=UTC) if names else None,
        reason="nobody points to it",
        delete=lambda: None,
    )


def shown(*removals: Removal, is_applied: bool = False) -> str:
    screen = StringIO()
    console = Console(file=screen, width=250)
    print_removals(removals, is_applied=is_applied, settings=SETTINGS, console=console)
    return screen.getvalue()


def test_nothing_to_delete_is_said_in_so_many_words() -> None:
    assert shown(removal("runs"), removal("bentos")) == "nothing to delete\n"


def test_each_kind_has_its_count_size_age_and_reason_and_all_have_a_total() -> None:
    text = shown(
        removal("table files", "a", "b", size=1536), removal("runs", "r", size=512), removal("bentos")
    )
    assert "bentos" not in text
    (line,) = [line for line in text.splitlines() if "table files" in line]
    assert all(part in line for part in ("shop", "2", "1.5 KiB", "2026-01-02", "nobody points to it"))
    assert "3 things, 2.0 KiB: nothing was deleted; to delete them: mlops gc --apply" in text


def test_after_deleting_runs_it_says_how_their_files_are_freed_without_a_password() -> None:
    text = shown(removal("runs", "r"), is_applied=True)
    assert "deleted 1 things" in text
    assert "mlflow gc --backend-store-uri" in text
    assert "hunter2" not in text
    assert "mlflow gc" not in shown(removal("bentos", "b"), is_applied=True)


def test_behind_a_server_files_are_freed_on_the_server() -> None:
    server = load_settings({"MLFLOW_TRACKING_URI": "http://host"}, working_directory=Path("/"))
    assert "on the tracking server" in purge_hint(server)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (3 * 1024**3, "3.0 GiB"), (2**60, "1,048,576.0 TiB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text
