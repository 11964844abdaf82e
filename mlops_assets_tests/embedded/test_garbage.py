import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.embedded.garbage import RARELY, collect_garbage_rarely


class Node:
    """Something that can refer to itself."""

    itself: "Node"


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_garbage_is_collected_rarely_unless_the_user_chose_otherwise():
    collect_garbage_rarely()
    assert gc.get_threshold() == RARELY
    gc.set_threshold(1234, 5, 6)
    collect_garbage_rarely()
    assert gc.get_threshold() == (1234, 5, 6)


def test_a_cycle_is_still_found_by_itself():
    collect_garbage_rarely()
    node = Node()
    node.itself = node
    is_there = weakref.ref(node)
    del node
    made = [[] for _ in range(2 * RARELY[0])]
    assert is_there() is None
    assert len(made) == 2 * RARELY[0]


@pytest.mark.parametrize(("calls", "printed"), [("", "searched\n"), ("collect_garbage_rarely()", "")])
def test_a_process_that_ends_searches_nothing(calls: str, printed: str):
    code = f"""
from mlops_assets.embedded.garbage import collect_garbage_rarely
{calls}
class Node:
    def __del__(self):
        print("searched")
node = Node()
node.itself = node
del node
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == printed


@pytest.mark.parametrize(
    "begin",
    [
        "from mlops_assets.definitions import defs; defs()",
        "from pathlib import Path; from mlops_assets.core.settings import load_settings;"
        "from mlops_assets.embedded.dagster_home import dagster_instance;"
        "dagster_instance(load_settings({'MLOPS_HOME': '.'}, working_directory=Path.cwd()))",
    ],
)
def test_processes_that_run_jobs_collect_rarely(begin: str, tmp_path: Path):
    environment = {**os.environ, "MLOPS_HOME": str(tmp_path)}
    environment.pop("DAGSTER_HOME", None)
    printed = subprocess.run(
        [sys.executable, "-c", f"{begin}; import gc; print(gc.get_threshold())"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip().splitlines()[-1] == str(RARELY)
