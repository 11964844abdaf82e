"""A store that does not answer holds its worker up once in a while, not at every request."""

from collections.abc import Sequence

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import StateChange, StoredState
from serving.store_breaker import PAUSE_SECONDS, SLOW_SECONDS, StoreBreaker, StorePausedError


class FailingStore:
    """Takes `seconds` of its own clock for a question, and fails while `is_down`."""

    def __init__(self) -> None:
        self.now, self.seconds, self.is_down, self.asked = 0.0, 0.25, True, 0

    def clock(self) -> float:
        return self.now

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        self._work()
        return [StoredState(1, key.encode()) for key in keys]

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        self._work()
        return not records

    def _work(self) -> None:
        self.asked += 1
        self.now += self.seconds
        if self.is_down:
            raise OnlineStoreError("no answer in time", may_be_done=True)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def breaker(store: FailingStore) -> StoreBreaker:
    return StoreBreaker(store, clock=store.clock)


def test_a_store_that_answers_is_handed_on_as_it_is(store: FailingStore, breaker: StoreBreaker) -> None:
    store.is_down = False
    assert breaker.read(["a"]) == [StoredState(1, b"a")]
    assert breaker.commit([], []) is True
    assert breaker.commit([], [b"record"]) is False


def test_after_a_slow_failure_nothing_is_asked_for_a_moment_and_then_again(
    store: FailingStore, breaker: StoreBreaker
) -> None:
    with pytest.raises(OnlineStoreError) as first:
        breaker.commit([], [])
    assert first.value.may_be_done
    for question in (lambda: breaker.read(["a"]), lambda: breaker.commit([], [])):
        with pytest.raises(StorePausedError, match="no answer in time; it is asked again") as paused:
            question()
        assert not paused.value.may_be_done
    assert store.asked == 1
    store.now += PAUSE_SECONDS
    store.is_down = False
    assert breaker.read(["a"]) == [StoredState(1, b"a")]
    assert breaker.commit([], []) is True


def test_of_a_store_that_hangs_a_worker_loses_a_fifth_of_its_time(
    store: FailingStore, breaker: StoreBreaker
) -> None:
    while store.now < 100:
        with pytest.raises(OnlineStoreError):
            breaker.read(["a"])
        store.now += 0.001
    assert store.asked * store.seconds == pytest.approx(20, rel=0.05)


def test_a_failure_that_took_no_time_pauses_nothing(store: FailingStore, breaker: StoreBreaker) -> None:
    store.seconds = SLOW_SECONDS / 2
    for _ in range(3):
        with pytest.raises(OnlineStoreError):
            breaker.read(["a"])
    assert store.asked == 3
