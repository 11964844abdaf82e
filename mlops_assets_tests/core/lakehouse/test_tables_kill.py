"""A writer that is killed at any instant leaves the old rows or the new ones, and writing again completes."""

import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets_tests.support.processes.table_writer import (
    DAYS,
    FIRST,
    ROWS,
    generation_rows,
    write_generation,
)

BASE = 0
KILLS = 8


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    tables = DeltaTables(str(tmp_path))
    commit = CommitInfo(run_id="base", code_version="1")
    every_day = DayRange(FIRST, FIRST + timedelta(days=DAYS))
    tables.write("shop", "days", generation_rows(BASE), days=every_day, commit=commit)
    write_generation(tables, BASE)
    return tables


def start_writer(tables: DeltaTables, generation: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "mlops_assets_tests.support.processes.table_writer",
        tables.root,
        str(generation),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_for(process, "ready")
    return process


def wait_for(process: subprocess.Popen[str], line: str) -> float:
    """Wait until the writer says so; returns the seconds that it took."""
    started = time.perf_counter()
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"
    return time.perf_counter() - started


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def assert_no_mix(tables: DeltaTables) -> None:
    """Every table is readable and holds whole generations only."""
    stored = tables.read("shop", "days")
    assert stored.group_by("event_date").len()["len"].unique().to_list() == [ROWS]
    assert stored["event_date"].n_unique() == DAYS
    edge = pl.col("event_date").is_in([FIRST, FIRST + timedelta(days=DAYS - 1)])
    assert stored.filter(edge)["generation"].unique().to_list() == [BASE]
    assert stored.filter(~edge)["generation"].n_unique() == 1
    whole = tables.read("shop", "whole")
    assert (whole["generation"].n_unique(), whole.height) == (1, DAYS * ROWS)
    log = tables.read("shop", "log").group_by("generation").len()
    assert log["len"].unique().to_list() == [ROWS]


def test_killed_at_random_instants_a_writer_never_leaves_a_mix(tables: DeltaTables) -> None:
    instants = random.Random(20180401)
    generation = 0
    for _ in range(KILLS):
        process = start_writer(tables, generation + 1)
        seconds_per_generation = wait_for(process, "written")
        time.sleep(instants.uniform(0.0, 1.5) * seconds_per_generation)
        kill(process)
        assert_no_mix(tables)
        generation = tables.read("shop", "days")["generation"].max() + 2
        write_generation(tables, generation)
        assert_no_mix(tables)
        for table in ("days", "whole", "log"):
            assert tables.read("shop", table)["generation"].max() == generation


def test_killed_between_the_data_files_and_the_commit_a_writer_changes_nothing(tables: DeltaTables) -> None:
    folder = Path(tables.uri("shop", "days"))
    for generation in range(1, 11):
        before, version = set(folder.rglob("*.parquet")), tables.version("shop", "days")
        process = start_writer(tables, generation)
        while set(folder.rglob("*.parquet")) == before:
            assert process.poll() is None
        kill(process)
        assert_no_mix(tables)
        if tables.version("shop", "days") == version:
            break
    else:
        pytest.fail("every commit was quicker than the kill, so nothing was tested")
    assert set(folder.rglob("*.parquet")) > before
    write_generation(tables, 20)
    assert_no_mix(tables)
    assert 20 in tables.read("shop", "days")["generation"].to_list()
