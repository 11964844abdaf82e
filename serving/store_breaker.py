"""Keeps requests from waiting one after another for a store that does not answer.

The store is asked one question at a time (`scoring_lane`): while one waits for its answer, the next ones wait for their
turn. So after a question that failed slowly the next ones are refused at once for a moment, and then one is asked again
(the pattern *circuit breaker* of M. Nygard, Release It!, 2007).
"""

from collections.abc import Callable, Sequence
from typing import NoReturn

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import ScoringStore, StateChange, StoredState

SLOW_SECONDS = 0.1
"""A failure that takes longer held requests up; a faster one may be met again by each of them."""
PAUSE_SECONDS = 1.0
"""How long questions are refused at once: a Redis that hangs holds requests up for a fifth of the time at most."""


class StorePausedError(OnlineStoreError):
    """The store was not asked, since it did not answer in time a moment ago."""


class StoreBreaker:
    """Asks `store`, unless it failed slowly less than PAUSE_SECONDS ago; belongs to one thread."""

    def __init__(self, store: ScoringStore, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, and never goes back."""
        self._store = store
        self._clock = clock
        self._paused_until: float | None = None
        self._failure = ""

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        """See OnlineStore.

        Raises: OnlineStoreError as the store does; StorePausedError without asking it.
        """
        began = self._begin()
        try:
            return self._store.read(keys)
        except OnlineStoreError as error:
            self._fail(error, began)

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        """See OnlineStore; raises as `read` does."""
        began = self._begin()
        try:
            return self._store.commit(changes, records)
        except OnlineStoreError as error:
            self._fail(error, began)

    def _begin(self) -> float:
        now = self._clock()
        if self._paused_until is not None:
            if now < self._paused_until:
                raise StorePausedError(f"{self._failure}; it is asked again within {PAUSE_SECONDS:.0f} s")
            self._paused_until = None
        return now

    def _fail(self, error: OnlineStoreError, began: float) -> NoReturn:
        now = self._clock()
        if now - began >= SLOW_SECONDS:
            self._paused_until, self._failure = now + PAUSE_SECONDS, str(error)
        raise error
