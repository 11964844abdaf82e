"""Requests answered in steps: nothing is written before the last one, and what others changed meanwhile is seen."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.core.errors import OversizedRequestError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving import scoring as module
from mlops_assets.core.serving import turn as turn_module
from mlops_assets.core.serving.outcome import Outcome, ScoringRequest
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets_tests.support.homes.product_bento import SampledProduct
from mlops_assets_tests.support.scored_requests import FACTS, HOUR, NOW, arms_of, captured, event

MANY = [event(number, at=NOW + number, customer=1 + number % 10) for number in range(80)]
INTRUDER = event(99, at=NOW, customer=3, amount=77.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    opened = open_online_store(str(tmp_path), "fraud_detection")
    yield opened
    opened.close()


@pytest.fixture
def sliced(sampled: SampledProduct, store: OnlineStore) -> OnlineScoring:
    """Scoring whose slices are over with each look at the clock."""
    ticks = itertools.count()
    clock = lambda: float(next(ticks))  # noqa: E731
    return OnlineScoring(FACTS, store, arms_of(sampled), clock=clock, slice_seconds=1.0)


def asked(*events: Any) -> list[ScoringRequest]:
    return [ScoringRequest(list(events), NOW + HOUR)]


def taken(steps: Any, *, first: int = 0) -> tuple[int, list[Outcome] | None]:
    """How many steps were taken, and what came of them; `first` many at most where that is given."""
    for number in itertools.count(1):
        try:
            next(steps)
        except StopIteration as done:
            return number, done.value
        if number == first:
            return number, None
    raise AssertionError


def features(outcomes: list[Outcome] | None) -> list[Any]:
    assert outcomes is not None
    (scored,) = outcomes
    assert isinstance(scored, list)
    return [(one.record.event_id, one.record.features, one.record.known_at) for one in scored]


def test_nothing_is_written_before_the_last_step(sliced: OnlineScoring, store: OnlineStore) -> None:
    steps = sliced.steps(asked(*MANY))
    taken(steps, first=60)
    assert store.state_count() == store.captured_count() == 0
    number, outcomes = taken(steps)
    assert number > 20
    assert [one[0] for one in features(outcomes)] == [one["transaction_id"] for one in MANY]
    assert store.captured_count() == len(MANY)


def test_a_turn_that_is_given_up_leaves_nothing(sliced: OnlineScoring, store: OnlineStore) -> None:
    steps = sliced.steps(asked(*MANY))
    taken(steps, first=40)
    steps.close()
    assert store.state_count() == store.captured_count() == 0


def test_what_another_changed_meanwhile_is_seen_and_only_that_is_computed_anew(
    sampled: SampledProduct, sliced: OnlineScoring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = sliced.steps(asked(*MANY))
    taken(steps, first=20)
    other = OnlineScoring(FACTS, sliced.store, arms_of(sampled))
    other.score([INTRUDER], received_at=NOW)
    computed = []
    answer = sliced.arms.features.answer
    monkeypatch.setattr(
        sliced.arms.features,
        "answer",
        lambda event, *given, **more: (
            computed.append(event["transaction_id"]) or answer(event, *given, **more)
        ),
    )
    _, outcomes = taken(steps)
    assert sliced.conflicts == 1
    theirs = [number for number in range(80) if MANY[number]["customer_id"] == 3]
    assert [number for number in computed if computed.count(number) == 2] == [*theirs[2:], *theirs[2:]]
    assert computed[-len(theirs) :] == theirs
    in_order = OnlineScoring(
        FACTS, open_online_store(str(tmp_path / "x"), "fraud_detection"), arms_of(sampled)
    )
    in_order.score([INTRUDER], received_at=NOW)
    assert features(outcomes) == features(in_order.answer(asked(*MANY)))


def test_without_room_to_remember_the_answers_are_the_same(
    sampled: SampledProduct, sliced: OnlineScoring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_module, "MAXIMUM_REMEMBERED", -1)
    monkeypatch.setattr(module, "READ_AT_ONCE", 3)
    steps = sliced.steps(asked(*MANY))
    taken(steps, first=20)
    OnlineScoring(FACTS, sliced.store, arms_of(sampled)).score([INTRUDER], received_at=NOW)
    in_order = OnlineScoring(
        FACTS, open_online_store(str(tmp_path / "x"), "fraud_detection"), arms_of(sampled)
    )
    in_order.score([INTRUDER], received_at=NOW)
    assert features(taken(steps)[1]) == features(in_order.answer(asked(*MANY)))


def test_the_arms_of_when_it_came_answer_all_of_a_request(
    sampled: SampledProduct, sliced: OnlineScoring, store: OnlineStore
) -> None:
    steps = sliced.steps(asked(*MANY))
    taken(steps, first=10)
    sliced.arms = arms_of(sampled)
    sliced.arms.sequence = 9
    taken(steps)
    assert {record.plan_sequence for record in captured(store)} == {0}


def test_states_that_are_too_large_together_are_not_read_all(
    sliced: OnlineScoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    sliced.score(MANY, received_at=NOW)
    monkeypatch.setattr(module, "MAXIMUM_STATES", 1000)
    with pytest.raises(OversizedRequestError, match="fewer events"):
        sliced.score(MANY[:8], received_at=NOW)
    assert len(sliced.score(MANY[:1], received_at=NOW)) == 1
