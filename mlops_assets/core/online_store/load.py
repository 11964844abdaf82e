"""Loads states made from the lakehouse into an online store, while services go on answering from it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.features.online.states import merge_state
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange

BLOCK_STATES = 256
"""States that one commit changes; services wait for it, and half of it is tried when one of them was quicker."""
MAXIMUM_ATTEMPTS = 100
"""How often one state is tried against services that change it at the same time."""

_NOTE = "last load"
"""Key of the note; keys of states have an @."""


@dataclass(frozen=True)
class LoadedBlock:
    """What one step loaded."""

    states: int
    changed: int
    """States that were written; the others held everything already."""


def load_states(
    store: OnlineStore,
    view: FeatureView,
    states: Iterable[tuple[str, bytes]],
    *,
    block_states: int = BLOCK_STATES,
) -> Iterator[LoadedBlock]:
    """Join the states that `build_states` yields with those in the store, block by block, and yield each block's count.

    What services wrote stays, also what they write meanwhile. Loading the same again changes nothing, and a load that
    was killed is completed by the next one. The state that stands for entities without rows comes last: until then, an
    entity that is not loaded yet is not taken for a new one.
    Raises: OnlineStoreError; as `build_states` and `merge_state` do.
    """
    last: dict[str, bytes] = {}
    remaining = iter(states)
    while block := dict(islice(remaining, block_states)):
        if (content := block.pop(empty_key(view), None)) is not None:
            last[empty_key(view)] = content
        yield LoadedBlock(len(block), _join(store, view, block))
    yield LoadedBlock(len(last), _join(store, view, last))


def is_loaded(store: OnlineStore, view: FeatureView) -> bool:
    """Tell whether a load of this view was completed since the store was made."""
    return bool(store.read([empty_key(view)])[0].content)


def last_load(store: OnlineStore) -> str:
    """Return what `note_load` noted last in this store; a copy that was restored has that of its own time."""
    return store.read([_NOTE])[0].content.decode()


def note_load(store: OnlineStore, what: str) -> None:
    """Note in the store what was loaded last, once it is there.

    Raises: OnlineStoreError.
    """
    for _ in range(MAXIMUM_ATTEMPTS):
        (noted,) = store.read([_NOTE])
        if store.commit([StateChange(_NOTE, noted.version, what.encode())], []):
            return
    raise OnlineStoreError(f"{_NOTE} was changed by other loads {MAXIMUM_ATTEMPTS} times in a row")


def _join(store: OnlineStore, view: FeatureView, loaded: Mapping[str, bytes]) -> int:
    for _ in range(MAXIMUM_ATTEMPTS):
        changes = _changes(store, view, loaded)
        if not changes or store.commit(changes, []):
            return len(changes)
        if len(loaded) > 1:
            keys = list(loaded)
            halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
            return sum(_join(store, view, {key: loaded[key] for key in half}) for half in halves)
    raise OnlineStoreError(
        f"{next(iter(loaded))} was changed by services {MAXIMUM_ATTEMPTS} times in a row while it was to be loaded; "
        "load online_features again when there are fewer requests for it"
    )


def _changes(store: OnlineStore, view: FeatureView, loaded: Mapping[str, bytes]) -> list[StateChange]:
    present = store.read(list(loaded))
    return [
        StateChange(key, state.version, merged)
        for (key, content), state in zip(loaded.items(), present, strict=True)
        if state.content != content
        and (merged := merge_state(view, key, state.content, content)) != state.content
    ]
