"""The scoring lane: what arrives together is answered together, and a fault stays with its request."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.core.errors import InvalidEventError, OnlineStoreError
from mlops_assets_tests.support.captured import captured_record
from serving import scoring_lane as module
from serving.http_errors import RefusedRequestError
from serving.scoring_lane import ScoringLane


class Counter:
    """Counts, as Prometheus' do."""

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount


class Scoring:
    """Answers with what was asked, and remembers what came together."""

    def __init__(self) -> None:
        self.turns: list[list[Sequence]] = []
        self.capture_failures = self.conflicts = 0
        self.arms = SimpleNamespace(shadow=None)

    def answer(self, requests: Sequence) -> list:
        self.turns.append([request.events for request in requests])
        if any({"id": "away"} in request.events for request in requests):
            raise OnlineStoreError("the store is away")
        if any({"id": "broken"} in request.events for request in requests):
            raise ZeroDivisionError("a fault of ours")
        self.conflicts += 1
        wrong = [{"id": "wrong"} in request.events for request in requests]
        return [
            InvalidEventError("no")
            if is_wrong
            else [SimpleNamespace(record=captured_record(e["id"]), failed=None) for e in r.events]
            for r, is_wrong in zip(requests, wrong, strict=True)
        ]


@pytest.fixture
def scoring() -> Scoring:
    return Scoring()


@pytest.fixture
def metrics() -> SimpleNamespace:
    counters = {name: Counter() for name in ("store_errors", "capture_failures", "store_conflicts")}
    records: list = []
    return SimpleNamespace(**counters, records=records, predicted=records.extend)


@pytest.fixture
def lane(scoring: Scoring, metrics: SimpleNamespace) -> ScoringLane:
    shadow: Any = SimpleNamespace(add=lambda *_: None)
    return ScoringLane(scoring, metrics, shadow)  # pyright: ignore[reportArgumentType]


def ask(lane: ScoringLane, *requests: Sequence[str]) -> list[Any]:
    """Send the requests in one turn of the loop."""

    async def all_at_once() -> list[Any]:
        asked: list[Coroutine] = [
            lane.score([{"id": one} for one in ids], received_at=0, started=0.0) for ids in requests
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(all_at_once())


def ids(answer: Any) -> list[str]:
    return [one.record.event_id for one in answer]


def test_requests_of_one_turn_share_one_step_and_get_their_own_answers(lane, scoring, metrics) -> None:
    answers = ask(lane, ["a"], ["b", "c"], ["d"])
    assert [ids(answer) for answer in answers] == [["a"], ["b", "c"], ["d"]]
    assert len(scoring.turns) == 1
    assert [record.event_id for record in metrics.records] == ["a", "b", "c", "d"]
    assert metrics.store_conflicts.value == 1


@pytest.mark.parametrize(("sizes", "turns"), [([40, 24, 1], [2, 1]), ([60, 5], [1, 1]), ([64], [1])])
def test_a_step_has_so_many_events_unless_one_request_has_more(
    lane, scoring, sizes: list[int], turns: list[int]
) -> None:
    assert module.BATCH_EVENTS == 64
    answers = ask(lane, *([f"{number}-{n}" for n in range(size)] for number, size in enumerate(sizes)))
    assert [len(answer) for answer in answers] == sizes
    assert [len(turn) for turn in scoring.turns] == turns


def test_an_invalid_request_does_not_hurt_its_neighbours(lane, metrics) -> None:
    good, bad, other = ask(lane, ["a"], ["wrong"], ["b"])
    assert (ids(good), ids(other)) == (["a"], ["b"])
    assert isinstance(bad, InvalidEventError)
    assert len(metrics.records) == 2


def test_a_fault_of_ours_is_that_requests_alone(lane, scoring) -> None:
    good, bad = ask(lane, ["a"], ["broken"])
    assert ids(good) == ["a"]
    assert isinstance(bad, ZeroDivisionError)


def test_a_store_that_is_away_refuses_the_whole_turn_and_is_counted(lane, metrics) -> None:
    answers = ask(lane, ["a"], ["away"])
    assert all(isinstance(answer, OnlineStoreError) for answer in answers)
    assert metrics.store_errors.value == 2


def test_too_many_that_wait_are_refused_at_once(lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_WAITING", 2)
    *answered, refused = ask(lane, ["a"], ["b"], ["c"])
    assert [ids(answer) for answer in answered] == [["a"], ["b"]]
    assert isinstance(refused, RefusedRequestError)
    assert refused.status == 503


def test_a_client_that_went_away_holds_nobody_up(lane, scoring) -> None:
    async def leave_and_stay() -> Any:
        leaving = asyncio.ensure_future(lane.score([{"id": "a"}], received_at=0, started=0.0))
        staying = asyncio.ensure_future(lane.score([{"id": "b"}], received_at=0, started=0.0))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    run: Callable[[Coroutine], Any] = asyncio.run
    assert ids(run(leave_and_stay())) == ["b"]
