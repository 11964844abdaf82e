"""States that no window can reach: gone without a change to any answer, and never one that a service is changing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import empty_key, entity_layouts
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.view import WindowFeature
from mlops_assets.core.online_store.evict import stored_states
from mlops_assets.core.online_store.kept_views import keep_views, kept_views
from mlops_assets.core.online_store.load import load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, OnlineStore, StateChange, StoredState
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames, histories

LATENESS = HOUR
PATIENTLY = "socket_timeout=60&socket_connect_timeout=60"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    is_redis = request.param == "redis"
    location = f"{request.getfixturevalue('redis_server').url}?{PATIENTLY}" if is_redis else str(tmp_path)
    opened = open_online_store(location, "shop")
    opened.clear()
    yield opened
    opened.close()


def load(store: OnlineStore, events: list[EventVersion], labels: list[LabelVersion], *, hours: float) -> None:
    as_of = EPOCH + timedelta(hours=hours)
    states = build_states(VIEW, *frames(events, labels), as_of=as_of, lateness=LATENESS)
    list(load_states(store, VIEW, states))


def keys_of(store: OnlineStore) -> set[str]:
    return {key for key, _ in store.states()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), hours=st.integers(4, 20), customer=st.sampled_from(["a", "b", "c"]))
def test_no_answer_from_the_horizon_on_differs_without_what_was_evicted(
    tmp_path: Path,
    history: tuple[list[EventVersion], list[LabelVersion]],
    hours: int,
    customer: str,
) -> None:
    store = open_online_store(str(tmp_path), "shop")
    store.clear()
    load(store, *history, hours=4)
    load(store, *history, hours=hours)
    horizon = as_microseconds(EPOCH + hours * HOUR - LATENESS)
    asked = [
        {
            "id": 10_000 + n,
            "event_timestamp": horizon + n * 1_800_000_000,
            "customer": customer,
            "terminal": terminal,
            "amount": 1.0,
        }
        for n, terminal in enumerate((7, 10**12, 7, None))
    ]
    before = [answer(store, one) for one in asked]
    counted = stored_states(store, [VIEW])
    evicted = stored_states(store, [VIEW], evicts=True)
    assert counted == evicted
    assert len(keys_of(store)) == counted.states - counted.out_of_reach
    assert [answer(store, one) for one in asked] == before
    assert stored_states(store, [VIEW]).out_of_reach == 0
    store.close()


def answer(store: OnlineStore, event: Mapping[str, object]) -> tuple[float | None, ...]:
    online = OnlineFeatures(VIEW, lateness=LATENESS)
    *states, empty = store.read([*online.keys(event), online.empty_key])  # pyright: ignore[reportArgumentType]
    contents = [state.content for state in states]
    return tuple(online.answer(event, contents, known_at=None, empty=empty.content).features)  # pyright: ignore[reportArgumentType]


def test_entities_that_no_window_reaches_go_and_the_sizes_are_told(store: OnlineStore) -> None:
    events = [event(1, 0, customer="old", terminal=1), event(2, 30, customer="new", terminal=2)]
    load(store, events, [], hours=1)
    load(store, events, [], hours=31)
    sizes = {key: len(key) + len(state.content) for key, state in store.states()}
    old = {key for key in sizes if key.startswith(("customer=old@", "terminal=1@"))}
    assert len(old) == 2
    counted = stored_states(store, [VIEW])
    assert (counted.states, counted.size_bytes) == (len(sizes), sum(sizes.values()))
    assert (counted.out_of_reach, counted.out_of_reach_bytes) == (2, sum(sizes[key] for key in old))
    assert keys_of(store) == set(sizes), "counting deletes nothing"
    stored_states(store, [VIEW], evicts=True)
    assert keys_of(store) == set(sizes) - old
    assert store.state_count() == len(sizes) - 2
    assert empty_key(VIEW) in keys_of(store)


def test_nothing_goes_before_a_load_is_complete_save_states_of_views_that_nobody_answers_by(
    store: OnlineStore,
) -> None:
    events = [event(1, 0, customer="old", terminal=1)]
    states = build_states(VIEW, *frames(events, []), as_of=EPOCH + HOUR, lateness=LATENESS)
    half = [one for one in states if one[0] != empty_key(VIEW)]
    assert store.commit([StateChange(key, ABSENT, content) for key, content in half], [])
    assert store.commit([StateChange("customer=old@00000000", ABSENT, b"another view's")], [])
    keep_views(store, [VIEW])
    found = stored_states(store, [VIEW], evicts=True)
    assert (found.out_of_reach, found.of_other_views, found.evictable) == (0, 1, 1)
    assert found.of_other_views_bytes == len("customer=old@00000000") + len(b"another view's")
    assert "customer=old@00000000" not in keys_of(store)
    load(store, [], [], hours=100)
    assert stored_states(store, [VIEW], evicts=True).out_of_reach == len(half)
    assert [view.digest for view in kept_views(store)] == [VIEW.digest], "a note is no state"


def test_a_state_goes_when_no_view_that_has_it_reaches_it(store: OnlineStore) -> None:
    longer = replace(
        VIEW,
        features=tuple(
            replace(one, windows=(*one.windows, timedelta(days=90)))
            if isinstance(one, WindowFeature)
            else one
            for one in VIEW.features
        ),
    )
    events = [event(1, 0, customer="old", terminal=1)]
    for view in (VIEW, longer):
        for hours in (1, 31):
            states = build_states(view, *frames(events, []), as_of=EPOCH + hours * HOUR, lateness=LATENESS)
            list(load_states(store, view, states))
    found = stored_states(store, [VIEW, longer], evicts=True)
    assert (found.out_of_reach, found.of_other_views) == (2, 0)
    kept = {key for key in keys_of(store) if key.startswith("customer=old@")}
    assert kept == {f"customer=old@{entity_layouts(longer)[0].tag}"}


def test_a_state_that_changes_meanwhile_stays_and_no_version_is_given_twice(store: OnlineStore) -> None:
    assert store.commit([StateChange(key, ABSENT, b"1") for key in "ab"], [])
    a, b = store.read("ab")
    assert store.commit([StateChange("b", b.version, b"2")], [])
    assert store.evict({"a": a.version, "b": b.version, "c": 500}) == 1
    assert [state.content for state in store.read("ab")] == [b"", b"2"]
    assert store.evict({}) == 0
    assert not store.commit([StateChange("a", a.version, b"by who read it before")], [])
    assert store.commit([StateChange("a", ABSENT, b"new")], [])
    (again,) = store.read("a")
    assert again.version not in (a.version, ABSENT)


def test_more_states_than_a_page_are_all_found_and_all_go(store: OnlineStore) -> None:
    names = {f"customer={number}" for number in range(1203)}
    for first in range(0, 1203, 401):
        block = sorted(names)[first : first + 401]
        assert store.commit([StateChange(key, ABSENT, b"1") for key in block], [])
    found = dict(store.states())
    assert set(found) == names
    assert set(found.values()) <= {StoredState(state.version, b"1") for state in found.values()}
    assert store.evict({key: state.version for key, state in found.items()}) == 1203
    assert keys_of(store) == set()
