"""The scoring lane: what arrives together is answered together, and a fault stays with its request."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
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

    def steps(self, requests: Sequence, **_: Any) -> Generator[None, None, list]:
        self.turns.append([request.events for request in requests])
        if any({"id": "away"} in request.events for request in requests):
            raise OnlineStoreError("the store is away")
        if any({"id": "broken"} in request.events for request in requests):
            raise ZeroDivisionError("a fault of ours")
        self.conflicts += 1
        if any({"id": "long"} in request.events for request in requests):
            self.turns.append(["a slice of a long one"])
            yield
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


def test_a_long_turn_of_small_requests_goes_on_before_the_next_one_begins(lane, scoring) -> None:
    async def play() -> list[Any]:
        first = asyncio.ensure_future(lane.score([{"id": "long"}], received_at=0, started=0.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        later = asyncio.ensure_future(lane.score([{"id": "a"}], received_at=0, started=0.0))
        return await asyncio.gather(first, later)

    assert [ids(answer) for answer in asyncio.run(play())] == [["long"], ["a"]]
    assert scoring.turns == [[[{"id": "long"}]], ["a slice of a long one"], [[{"id": "a"}]]]


def test_small_requests_are_answered_while_a_large_one_is_scored(lane, scoring) -> None:
    done = []

    async def note(name: str, *ids: str) -> None:
        await lane.score([{"id": one} for one in ids], received_at=0, started=0.0)
        done.append(name)

    async def play() -> None:
        large = [note("large", "long", *map(str, range(module.BATCH_EVENTS))) for _ in range(3)]
        await asyncio.gather(*large, note("small", "a"))

    asyncio.run(play())
    assert done == ["small", "large", "large", "large"]


def test_a_large_request_that_takes_too_long_is_given_up(lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.0)
    (refused,) = ask(lane, ["long", *map(str, range(module.BATCH_EVENTS))])
    assert isinstance(refused, RefusedRequestError)
    assert (refused.status, "fewer" in str(refused)) == (503, True)
    assert ids(ask(lane, ["a"])[0]) == ["a"]


def test_too_many_large_requests_are_refused_at_once_and_small_ones_are_not(
    lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_LARGE", 1)
    large = [str(number) for number in range(module.BATCH_EVENTS + 1)]
    first, second, small = ask(lane, large, large, ["a"])
    assert (len(first), second.status, ids(small)) == (len(large), 503, ["a"])


@pytest.mark.parametrize("fault", ["away", "broken"])
def test_a_fault_in_a_large_request_is_its_own(lane, fault: str) -> None:
    failed, small = ask(lane, [fault, *map(str, range(module.BATCH_EVENTS))], ["a"])
    assert isinstance(failed, OnlineStoreError if fault == "away" else ZeroDivisionError)
    assert ids(small) == ["a"]


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
