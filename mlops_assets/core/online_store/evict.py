"""Counts the states of an online store, and deletes those that no window can reach any more."""

from dataclasses import dataclass

from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.features.online.states import horizon_of, is_out_of_reach
from mlops_assets.core.features.view import FeatureView
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


def stored_states(store: OnlineStore, view: FeatureView, *, evicts: bool = False) -> StoredStates:
    """Count the states of all entities, reading each once; delete those out of reach where `evicts`.

    A state is out of reach when its newest row lies before the view's longest window of the oldest event that is still
    answered: the time until which rows were loaded, less the lateness that is allowed. An event of its entity is then
    answered as before, as that of an entity without rows. One that a service changes meanwhile stays. Before a load of
    the view is complete nothing is out of reach.

    Raises: OnlineStoreError.
    """
    (empty,) = store.read([empty_key(view)])
    horizon = horizon_of(empty.content) if empty.content else None
    states = size = gone = gone_bytes = 0
    waiting: dict[str, int] = {}
    for key, state in store.states():
        length = len(key.encode()) + len(state.content)
        states, size = states + 1, size + length
        if horizon is None or not is_out_of_reach(view, key, state.content, horizon=horizon):
            continue
        gone, gone_bytes = gone + 1, gone_bytes + length
        if evicts:
            waiting[key] = state.version
        if len(waiting) == BLOCK_STATES:
            store.evict(waiting)
            waiting = {}
    store.evict(waiting)
    return StoredStates(states, size, gone, gone_bytes)
