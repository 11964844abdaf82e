"""Kills of every process of the platform: a few of them, and what the benchmark would see."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks.kills.__main__ import damaged, lost_and_doubled
from benchmarks.kills.processes import kind_of
from mlops_assets.catalogue import load_product
from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets_tests.support.homes.home import Home

PYTHON = "/home/ann/.venv/bin/python"


@pytest.mark.rehearsal
def test_nothing_is_lost_whichever_process_is_killed() -> None:
    command = [sys.executable, "-m", "benchmarks.kills", "--kills=3"]
    root = Path(__file__).parents[2]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    found = json.loads(told.splitlines()[-1])
    assert (found["kills"], sum(found["killed"].values())) == (3, 3)
    assert found["acknowledged"] > 20
    assert (found["lost"], found["doubled"], found["unanswered"], found["unfinished_runs"]) == (0, 0, 0, 0)
    assert found["damaged"] == []


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ([PYTHON, "-m", "_bentoml_impl.worker.service", "fraud_detection:v1", "--fd", "3"], "worker"),
        ([PYTHON, "-m", "bentoml", "serve", "fraud_detection:v1"], "supervisor"),
        ([PYTHON, "-m", "serving.plan_follower", "fraud_detection"], "follower"),
        ([PYTHON, "-m", "mlops_assets.cli", "serve", "fraud_detection"], "service"),
        ([PYTHON, "-m", "mlops_assets.cli", "rollback", "fraud_detection"], "command"),
        ([PYTHON, "-c", "from multiprocessing.spawn import spawn_main", "--multiprocessing-fork"], "run"),
        ([PYTHON, "-m", "dagster", "api", "grpc", "--socket", "/tmp/one"], "code server"),
        ([PYTHON, "-c", "from multiprocessing.spawn import spawn_main"], None),
    ],
)
def test_processes_are_told_apart_by_their_command_lines(command: list[str], kind: str | None) -> None:
    assert kind_of(command) == kind


def test_a_lost_and_a_doubled_prediction_are_counted() -> None:
    assert lost_and_doubled({"a", "b"}, {"a": 1, "c": 1}) == {"lost": 1, "doubled": 0}
    assert lost_and_doubled({"a"}, {"a": 2}) == {"lost": 0, "doubled": 1}


def test_a_table_and_a_store_that_lost_their_ends_are_named(tmp_path: Path) -> None:
    home = Home(tmp_path, load_product(PRODUCT))
    home.write("events", pl.DataFrame({"a": range(1000)}))
    home.capture([])
    assert damaged(home.settings) == []
    for file in (next((tmp_path / "tables" / PRODUCT / "events").rglob("*.parquet")), _store(home)):
        file.write_bytes(file.read_bytes()[:100])
    assert damaged(home.settings) == ["events", f"{PRODUCT}.sqlite"]


def _store(home: Home) -> Path:
    return Path(home.settings.online_store) / f"{PRODUCT}.sqlite"
