"""Races of two writers of a release: in a folder, behind an MLflow server, in an object store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.release_races.__main__ import is_in_order
from benchmarks.release_races.places import PLACES

pytestmark = pytest.mark.rehearsal

RACES = 12


@pytest.fixture(scope="module")
def told() -> str:
    """What the benchmark printed, in a process of its own: it forks."""
    command = [sys.executable, "-m", "benchmarks.release_races", f"--races={RACES}"]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("place", sorted(PLACES))
def test_one_of_two_writers_wins_and_all_readers_agree_whoever_is_killed(told: str, place: str) -> None:
    found = json.loads(told.splitlines()[-1])[place]
    assert found["races"] == RACES
    assert found["kills"] > 0
    wrong = ("double_wins", "lost_wins", "unseen_rejections", "disagreements")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0), told


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("plan", "a", 2), ("rejected", "b", 2)), True),
        ((("rejected", "b", 2), ("plan", "a", 2)), False),
        ((("rejected", "b", 1), ("plan", "a", 2)), True),
        ((), True),
    ],
)
def test_a_plan_after_the_rejection_of_its_version_is_found(
    rows: tuple[tuple[str, str, int | None], ...], expected: bool
) -> None:
    assert is_in_order(rows) is expected
