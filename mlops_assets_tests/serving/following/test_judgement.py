"""The judge: which deaths speak against a plan, and when it is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_assets.core.serving.host.seen_plans import SeenPlans
from mlops_assets.core.serving.host.worker_notes import Stage, WorkerNotes, notes_folder, read_notes
from mlops_assets_tests.support.homes.host_plans import host_snapshot
from serving.following.judgement import ALONE_SECONDS, DEATHS_AFTER, WINDOW_SECONDS, PlanJudge

CRASH = "Fatal Python error: Aborted\n"


class Host:
    """The notes of a host, and a judge by a clock that is set by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = 0.0
        self.numbers = iter(range(1000))
        self.current = host_snapshot(home / "shop", 7)
        self.seen = SeenPlans()
        self.begin()

    def begin(self) -> None:
        """A new follower."""
        self.judge = PlanJudge(self.home, "shop", clock=lambda: self.now)

    def died(self, stage: Stage = "loads", plan: int = 7, *, crash: bool = False) -> None:
        folder = notes_folder(self.home, "shop")
        folder.mkdir(parents=True, exist_ok=True)
        line = f'{{"format_version": 1, "plan": {plan}, "stage": "{stage}"}}\n'
        (folder / f"{next(self.numbers)}-x.jsonl").write_text(line + (CRASH if crash else ""))

    def look(self) -> str | None:
        self.seen, reason = self.judge.look(self.current, self.seen)
        return reason


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    assert host.look() is None
    return host


def test_two_deaths_while_loading_refuse_a_plan_that_never_worked(host: Host) -> None:
    host.died()
    assert host.look() is None
    assert (host.seen.troubled, host.seen.deaths) == (7, 1)
    assert read_notes(host.home, "shop") == []
    host.died()
    assert "2 workers died while loading it, and none has worked with it" in str(host.look())


def test_one_crash_from_within_is_enough(host: Host) -> None:
    host.died(crash=True)
    assert "a worker died while loading it (Aborted)" in str(host.look())


def test_one_death_is_enough_when_nobody_works_with_the_plan_afterwards(host: Host) -> None:
    host.died()
    host.look()
    host.now += ALONE_SECONDS + 1
    assert host.look() is not None


def test_a_worker_that_works_with_the_plan_ends_the_trouble(host: Host) -> None:
    host.died()
    host.look()
    notes = WorkerNotes(host.home, "shop")
    notes.say("works", 7)
    host.now += ALONE_SECONDS + 1
    assert host.look() is None
    assert (host.seen.is_good(host.current.plan), host.seen.deaths) == (True, 0)
    notes.close()


@pytest.mark.parametrize(
    "death",
    [
        lambda host: host.died("works"),
        lambda host: host.died("keeps"),
        lambda host: host.died(plan=6),
        lambda host: host.died(plan=6, crash=True),
    ],
)
def test_deaths_that_have_nothing_to_do_with_loading_the_plan_do_not_count(
    host: Host, death: Callable[[Host], None]
) -> None:
    for _ in range(5):
        death(host)
        assert host.look() is None
    assert host.seen.deaths == 0


def test_of_what_was_before_the_follower_only_crashes_count(host: Host) -> None:
    """A server that is stopped while its workers load leaves their notes behind."""
    host.died()
    host.died()
    host.begin()
    assert host.look() is None
    assert host.seen.deaths == 0
    host.died(crash=True)
    host.begin()
    assert host.look() is not None


def test_deaths_are_counted_on_by_the_next_follower(host: Host) -> None:
    host.died()
    host.look()
    host.begin()
    host.look()
    host.died()
    assert host.look() is not None


def test_a_plan_that_worked_is_refused_after_several_deaths_within_minutes(host: Host) -> None:
    host.seen = host.seen.with_good(host.current)
    for _ in range(DEATHS_AFTER - 1):
        host.died("works", crash=True)
        assert host.look() is None
    host.now += WINDOW_SECONDS + 1
    host.died()
    assert host.look() is None
    for _ in range(DEATHS_AFTER - 1):
        host.died("works", crash=True)
    assert "it worked before, but 3 workers died under it within 5 minutes (Aborted)" in str(host.look())


def test_a_kill_from_outside_does_not_count_beside_a_worker_that_works(host: Host) -> None:
    notes = WorkerNotes(host.home, "shop")
    notes.say("works", 7)
    for _ in range(2 * DEATHS_AFTER):
        host.died()
        assert host.look() is None
    assert (host.seen.is_good(host.current.plan), host.seen.deaths) == (True, 0)
    notes.close()


def test_a_host_without_a_plan_judges_none(host: Host) -> None:
    host.died(crash=True)
    assert host.judge.look(None, SeenPlans()) == (SeenPlans(), None)
