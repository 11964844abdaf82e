"""How screens speak of plans, decisions and times."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.release.plan import Order, ReleasePlan, release, rollback, start_canary, start_shadow
from mlops_assets.core.release.record import Entry, ReleaseRecord, plan_entry
from mlops_assets.core.release.words import answers, champion_since, described, shown, what

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(hour: int) -> Order:
    return Order(NOON + timedelta(hours=hour), "ann", "because")


FIRST = release(None, order(0), version=1)
CANARY = start_canary(FIRST, order(1), version=2, percent=10)


def record(*plans: ReleasePlan) -> ReleaseRecord:
    return ReleaseRecord("shop", tuple(plan_entry(plan, ()) for plan in plans))


def test_a_plan_says_who_answers_how_many() -> None:
    assert answers(None) == "nothing is released yet"
    assert answers(FIRST) == "version 1 answers 100 %"
    assert described(CANARY) == "plan 2: canary: version 1 answers 90 %, version 2 answers 10 %"
    assert (
        answers(start_shadow(FIRST, order(1), version=2))
        == "version 1 answers 100 %, version 2 scores silently"
    )


def test_an_entry_says_what_was_decided() -> None:
    assert what(plan_entry(FIRST, ())) == "plan 1: blue-green: version 1 answers 100 %"
    assert what(Entry("rejected", NOON, "ann", "bad", version=2)) == "version 2 rejected"
    assert what(Entry("retraining_asked_for", NOON, "ann", "drift")) == "retraining asked for"


def test_a_trial_that_began_or_ended_does_not_move_the_time_since_when_the_champion_answers() -> None:
    ended = rollback(CANARY, order(2))
    second = release(ended, order(3), version=3)
    assert champion_since(record()) is None
    assert champion_since(record(FIRST, CANARY)) == FIRST
    assert champion_since(record(FIRST, CANARY, ended)) == FIRST
    assert champion_since(record(FIRST, CANARY, ended, second)) == second
    back = rollback(second, order(4))
    assert champion_since(record(FIRST, CANARY, ended, second, back)) == back


def test_times_carry_their_zone() -> None:
    assert shown(NOON.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01 12:00:00 UTC"
    with pytest.raises(RegistryError, match="no time zone"):
        shown(NOON.replace(tzinfo=None))
