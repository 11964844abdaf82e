"""Counts the states of an online store, and deletes those that nothing reads any more."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.features.online.states import horizon_of, is_out_of_reach
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.online_store.kept_views import state_tags
from mlops_assets.core.online_store.protocol import OnlineStore

BLOCK_STATES = 1000
"""States that are deleted in one commit."""


@dataclass(frozen=True)
class StoredStates:
    """What the states of a store take, keys included."""

    states: int = 0
    size_bytes: int = 0
    out_of_reach: int = 0
    """Those among them that no event can see anything of."""
    out_of_reach_bytes: int = 0
    of_other_views: int = 0
    """Those among them that none of the views reads."""
    of_other_views_bytes: int = 0

    @property
    def evictable(self) -> int:
        """States that nothing reads any more."""
        return self.out_of_reach + self.of_other_views

    @property
    def evictable_bytes(self) -> int:
        """Their size."""
        return self.out_of_reach_bytes + self.of_other_views_bytes


def stored_states(store: OnlineStore, views: Sequence[FeatureView], *, evicts: bool = False) -> StoredStates:
    """Count the states of all entities, reading each once; delete those that nothing reads where `evicts`.

    `views` are all whose states the store keeps: a state of another one is read by nobody. A state is out of reach when
    its newest row lies before the longest window of the oldest event that is still answered: the time until which rows
    were loaded, less the lateness that is allowed. An event of its entity is then answered as before, as that of an
    entity without rows. One that a service changes meanwhile stays. Before a load of a view is complete none of its
    states is out of reach.

    Raises: OnlineStoreError.
    """
    judge = _Judge(store, views)
    states = size = 0
    found = {kind: [0, 0] for kind in ("out of reach", "of another view")}
    waiting: dict[str, int] = {}
    for key, state in store.states():
        if "@" not in key:  # a note
            continue
        length = len(key.encode()) + len(state.content)
        states, size = states + 1, size + length
        if (kind := judge.why_evicted(key, state.content)) is None:
            continue
        found[kind][0] += 1
        found[kind][1] += length
        if evicts:
            waiting[key] = state.version
        if len(waiting) == BLOCK_STATES:
            store.evict(waiting)
            waiting = {}
    store.evict(waiting)
    return StoredStates(states, size, *found["out of reach"], *found["of another view"])


class _Judge:
    """Says of each state whether anything reads it."""

    def __init__(self, store: OnlineStore, views: Sequence[FeatureView]) -> None:
        empties = store.read([empty_key(view) for view in views])
        self._views = [
            (view, state_tags([view]), horizon_of(state.content) if state.content else None)
            for view, state in zip(views, empties, strict=True)
        ]
        self._tags = state_tags(views) | {empty_key(view).rpartition("@")[2] for view in views}

    def why_evicted(self, key: str, content: bytes) -> str | None:
        tag = key.rpartition("@")[2]
        if tag not in self._tags:
            return "of another view"
        readers = [(view, horizon) for view, tags, horizon in self._views if tag in tags]
        is_gone = readers and all(
            horizon is not None and is_out_of_reach(view, key, content, horizon=horizon)
            for view, horizon in readers
        )
        return "out of reach" if is_gone else None
