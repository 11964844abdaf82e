"""A run that is killed at any instant leaves every table readable, and running again completes with the same result."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets_tests.support.homes.small_home import CANDIDATE, FRAUD, INGEST, SmallHome

STAGES = (
    "tables/fraud_detection/raw_events",
    "tables/fraud_detection/features",
    "tables/fraud_detection/training_set",
    "mlartifacts",
    "tables/fraud_detection/evaluation",
)
"""Folders that appear one after the other; the run is killed within DELAY_SECONDS after each has."""
DELAY_SECONDS = 0.5
WAIT_SECONDS = 180.0
VOLATILE = {"run_id", "model_uri", "seconds"}
"""Columns that differ between two undisturbed runs too."""


class Teller:
    """The process that tells stories, see support/processes/story.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, root: Path) -> int:
        """Start the story and return the number of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        return int(self._line())

    def status(self) -> int:
        """Wait for the story's end; -9 when it was killed before."""
        return int(self._line())


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    command = [sys.executable, "-m", "mlops_assets_tests.support.processes.story"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield Teller(process)
        finally:
            process.kill()
            process.communicate()


def contents(home: SmallHome) -> dict[str, pl.DataFrame]:
    """Every table that exists, read whole, in a fixed order of rows and without volatile columns."""
    frames = {}
    for noun in home.tables.names(FRAUD):
        frame = home.read(noun)
        frame = frame.drop([name for name in VOLATILE if name in frame.columns])
        frames[noun] = frame.sort([n for n, dtype in frame.schema.items() if not dtype.is_nested()])
    return frames


def wait_for(folder: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not folder.exists():
        assert time.monotonic() < deadline, f"{folder} did not appear"
        time.sleep(0.005)


@pytest.mark.rehearsal
def test_killed_at_any_instant_a_run_loses_nothing_and_running_again_completes(
    teller: Teller, released_home: SmallHome, tmp_path: Path
) -> None:
    home = SmallHome(tmp_path / "home", released_home.product)
    nouns = {*INGEST, *CANDIDATE, "gate_verdicts"} - {"model_version"}
    expected = {noun: frame for noun, frame in contents(released_home).items() if noun in nouns}
    instants = random.Random(20180401)
    stored: set[str] = set()
    for stage in STAGES:
        child = teller.tell(home.root)
        wait_for(home.root / stage)
        time.sleep(instants.uniform(0, DELAY_SECONDS))
        os.kill(child, signal.SIGKILL)
        assert teller.status() == -signal.SIGKILL
        found = contents(home)
        assert stored <= set(found), "a table that was there is gone"
        stored = set(found)
    assert stored > {*INGEST, "training_set"}

    teller.tell(home.root)
    assert teller.status() == 0
    found = contents(home)
    assert set(found) == set(expected) == nouns
    for noun, frame in expected.items():
        assert_frame_equal(found[noun], frame)
    (version,) = home.registry.versions(FRAUD)
    (undisturbed,) = released_home.registry.versions(FRAUD)
    assert (version.digest, version.verdicts) == (undisturbed.digest, undisturbed.verdicts)
