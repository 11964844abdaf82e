"""Loading states beside services: complete, whatever is written meanwhile and wherever it was killed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.features.online.states import build_states, merge_state
from mlops_assets.core.online_store import load as module
from mlops_assets.core.online_store.load import is_loaded, load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames

CUSTOMERS = [f"c{number}" for number in range(20)]


def states(*, shift: int = 0, customers: list[str] = CUSTOMERS) -> list[tuple[str, bytes]]:
    """One event of each customer; `shift` makes them others."""
    events = [
        event(100 * shift + n, n / 10, customer=name, terminal=None) for n, name in enumerate(customers)
    ]
    return list(build_states(VIEW, *frames(events, []), as_of=EPOCH + 10 * HOUR, lateness=timedelta(days=7)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    opened = open_online_store(str(tmp_path), "shop")
    yield opened
    opened.close()


def contents(store: OnlineStore, keys: list[str]) -> dict[str, bytes]:
    return dict(zip(keys, [state.content for state in store.read(keys)], strict=True))


@pytest.mark.parametrize("block_states", [1, 7, 1000])
def test_every_state_is_stored_and_counted_once_and_again_changes_nothing(
    store: OnlineStore, block_states: int
) -> None:
    loaded = states()
    blocks = list(load_states(store, VIEW, loaded, block_states=block_states))
    assert sum(block.states for block in blocks) == sum(block.changed for block in blocks) == len(loaded)
    assert contents(store, [key for key, _ in loaded]) == dict(loaded)
    again = list(load_states(store, VIEW, loaded, block_states=block_states))
    assert sum(block.changed for block in again) == 0


def test_until_the_load_is_complete_no_entity_is_taken_for_a_new_one(store: OnlineStore) -> None:
    loading = load_states(store, VIEW, states(), block_states=5)
    for _ in range(3):
        next(loading)
        assert not is_loaded(store, VIEW)
        assert contents(store, [empty_key(VIEW)]) == {empty_key(VIEW): b""}
    assert not is_loaded(store, VIEW)
    list(
        load_states(store, VIEW, states(), block_states=5)
    )  # a load that was killed is completed by the next one
    assert is_loaded(store, VIEW)


def test_what_services_write_between_reading_and_writing_stays(
    store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, served = dict(states()), dict(states(shift=1))
    key = next(key for key in loaded if key.startswith("customer=c3@"))
    reads, real = [], store.read

    def read(keys: list[str]):
        found = real(keys)
        if key in keys and len(reads) < 3:
            reads.append(keys)
            (now,) = real([key])
            assert store.commit([StateChange(key, now.version, served[key])], [])
        return found

    monkeypatch.setattr(store, "read", read)
    list(load_states(store, VIEW, loaded.items()))
    assert len(reads) == 3
    monkeypatch.undo()
    assert contents(store, [key])[key] == merge_state(VIEW, key, served[key], loaded[key])
    assert contents(store, list(loaded)) == {**loaded, key: contents(store, [key])[key]}


def test_a_state_that_services_never_leave_alone_is_named(
    store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_ATTEMPTS", 3)
    monkeypatch.setattr(store, "commit", lambda changes, records: False)
    with pytest.raises(OnlineStoreError, match="changed by services 3 times in a row"):
        list(load_states(store, VIEW, states(customers=["a"])))
