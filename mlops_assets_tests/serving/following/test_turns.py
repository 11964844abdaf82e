"""Turns: one worker after the other loads a plan, and none after one that died of it."""

from pathlib import Path

import pytest

from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.worker_notes import notes_folder, read_notes
from mlops_assets_tests.support.homes.host_plans import host_snapshot
from serving.following.turns import SETTLE_SECONDS, LoadTurn


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_next_worker_waits_until_the_first_lives_with_the_plan(tmp_path: Path, clock: Clock) -> None:
    first, second = (LoadTurn(tmp_path, "shop", clock=clock) for _ in range(2))
    assert first.take(7)
    first.loads(7)
    assert not second.take(7)
    first.loaded(7)
    first.settle()
    assert not second.take(7)
    assert [note.stage for note in read_notes(tmp_path, "shop")] == ["loads"]
    clock.now += SETTLE_SECONDS
    first.settle()
    assert [note.stage for note in read_notes(tmp_path, "shop")] == ["works"]
    assert second.take(7)
    second.close()
    first.close()
    assert read_notes(tmp_path, "shop") == []


def test_a_plan_that_could_not_be_loaded_ends_the_turn(tmp_path: Path, clock: Clock) -> None:
    first, second = (LoadTurn(tmp_path, "shop", clock=clock) for _ in range(2))
    assert first.take(7)
    first.keeps(7)
    assert second.take(7)


def test_nobody_loads_what_another_one_died_of(tmp_path: Path) -> None:
    turn = LoadTurn(tmp_path, "shop")
    folder = notes_folder(tmp_path, "shop")
    folder.mkdir(parents=True)
    note = folder / "1-a.jsonl"
    note.write_text('{"format_version": 1, "plan": 7, "stage": "loads"}\n')
    assert not turn.take(7)
    assert turn.take(8)
    note.unlink()  # the follower has counted it
    SeenPlans().with_deaths(host_snapshot(folder, 7).plan, 1).write(seen_file(tmp_path, "shop"))
    assert not turn.take(7)
    seen_file(tmp_path, "shop").write_text("damaged")
    assert turn.take(7)


def test_without_a_lock_everybody_loads_for_himself(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("a file where a folder is needed")
    assert LoadTurn(tmp_path, "shop").take(7)
