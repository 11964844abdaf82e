"""Races of two writers of a release: in a folder, behind an MLflow server, in an object store."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.release_races.__main__ import is_in_order
from benchmarks.release_races.places import PLACES, STARTS, Server, free_ports, running_server

RACES = 12


@pytest.fixture(scope="module")
def told() -> str:
    """What the benchmark printed, in a process of its own: it forks."""
    command = [sys.executable, "-m", "benchmarks.release_races", f"--races={RACES}"]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.rehearsal
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


ENDS = "import sys; sys.exit('the port is taken')"
STAYS = "import time; print('listens', flush=True); time.sleep(600)"


def test_a_server_whose_port_was_taken_meanwhile_is_started_on_another(tmp_path: Path) -> None:
    asked: list[Sequence[int]] = []

    def on(ports: Sequence[int]) -> Server:
        asked.append(ports)
        code = ENDS if len(asked) == 1 else STAYS
        return Server(
            [sys.executable, "-c", code], lambda: "listens" in (tmp_path / "server.log").read_text()
        )

    with running_server(on, 2, tmp_path, {}) as ports:
        assert asked[1:] == [ports]
    assert len(set(ports)) == 2


def test_a_server_that_ends_at_every_start_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="the port is taken"),
        running_server(lambda _: Server([sys.executable, "-c", ENDS], lambda: False), 1, tmp_path, {}),
    ):
        raise AssertionError
    assert (tmp_path / "server.log").read_text().count("taken") == STARTS


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
