"""The online state: loaded as of a time, once, and again when it was lost."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from mlops_assets.assets import online_features
from mlops_assets.commands.drill.damaged_store import copy_store
from mlops_assets.core.features.online.entity_state import EntityState
from mlops_assets.core.features.online.layout import empty_key, entity_layouts
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.view import WindowFeature
from mlops_assets.core.online_store.kept_views import kept_views, state_tags
from mlops_assets.core.online_store.load import LoadedBlock, is_loaded, load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, OnlineStore, StateChange
from mlops_assets_tests.support.captured import captured_record
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FRAUD,
    SmallHome,
    metadata_of,
)


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> SmallHome:
    return released_home.copy(tmp_path / "home")


def store_of(home: SmallHome) -> OnlineStore:
    return open_online_store(home.settings.online_store, FRAUD)


def test_the_online_state_is_loaded_once_and_again_when_it_was_lost(home: SmallHome) -> None:
    result = home.materialize("online_features")
    shown = metadata_of(result, home.key("online_features"))
    states = shown["states"].value
    (row,) = home.read("online_features").iter_rows(named=True)
    events, labels = home.read("events"), home.read("labels")
    assert row["as_of"] == max(events["known_at"].max(), labels["known_at"].max()) + timedelta(microseconds=1)
    assert (row["states"], row["changed_states"]) == (states, states)
    assert row["events_version"] == home.tables.delta(FRAUD, "events").version()
    home.materialize("online_features")
    assert home.read("online_features").height == 1
    store = store_of(home)
    store.clear()
    home.materialize("online_features")
    assert home.read("online_features")["changed_states"].to_list() == [states, states]
    assert store.read([empty_key(home.product.view)])[0].content
    store.close()


def test_a_store_restored_from_before_the_last_load_is_loaded_again(home: SmallHome) -> None:
    config = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": f"{AS_OF}T00:00:00"}}}}
    home.materialize("online_features", config=config)
    file = Path(home.settings.online_store) / f"{FRAUD}.sqlite"
    backup = copy_store(file, file.with_name("backup"))
    home.materialize("online_features")
    with closing(store_of(home)) as store:
        loaded = {key: state.content for key, state in store.states()}
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    backup.rename(file)
    home.materialize("online_features")
    with closing(store_of(home)) as store:
        assert {key: state.content for key, state in store.states()} == loaded
    assert home.read("online_features").height == 3


def test_the_online_state_is_loaded_as_of_a_time_and_moves_on(home: SmallHome) -> None:
    config = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": f"{AS_OF}T00:00:00"}}}}
    home.materialize("online_features", config=config)
    home.materialize("online_features")
    earlier, later = home.read("online_features").sort("as_of").iter_rows(named=True)
    assert earlier["as_of"].date() == AS_OF
    assert 0 < later["changed_states"] <= later["states"]


def test_a_state_that_no_window_reaches_any_more_leaves_the_store_and_the_page_says_so(
    home: SmallHome,
) -> None:
    home.materialize("online_features")
    long_ago = (
        home.read("events").head(1).with_columns(pl.col(pl.Datetime).dt.offset_by("-3y"), customer_id=10**9)
    )
    as_of, view = long_ago["known_at"][0] + timedelta(days=1), home.product.view
    states = dict(build_states(view, long_ago, home.read("labels").head(0), as_of=as_of))
    added = [StateChange(key, ABSENT, states[key]) for key in states if "1000000000@" in key]
    with closing(store_of(home)) as store:
        assert store.commit(added, [])
        before = sum("@" in key for key, _ in store.states())
    later = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": "2018-06-02T00:00:00"}}}}
    shown = metadata_of(home.materialize("online_features", config=later), home.key("online_features"))
    assert (shown["evicted_states"].value, shown["stored_states"].value) == (1, before - 1)
    assert shown["evicted_bytes"].value == len(added[0].key) + len(added[0].content)
    with closing(store_of(home)) as store:
        assert store.read([added[0].key])[0].version == ABSENT
        assert shown["stored_bytes"].value == sum(
            len(k) + len(s.content) for k, s in store.states() if "@" in k
        )


def longer(home: SmallHome) -> SmallHome:
    """The home under a declaration whose windows reach further."""
    features = tuple(
        replace(one, windows=(*one.windows, timedelta(days=90))) if isinstance(one, WindowFeature) else one
        for one in home.product.view.features
    )
    return home.with_product(lambda product: replace(product, view=replace(product.view, features=features)))


def test_the_views_of_released_versions_are_loaded_beside_the_declared_one_and_go_when_no_plan_needs_them(
    home: SmallHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_features, "NOTICED_SECONDS", 0.0)
    home.materialize("online_features")
    changed = longer(home)
    changed.materialize("online_features")
    views = (changed.product.view, home.product.view)
    newest = home.read("online_features").sort("loaded_at").tail(2)
    assert newest["feature_view"].to_list() == [view.digest for view in views]
    assert newest["states"].min() > 0
    with closing(store_of(home)) as store:
        assert [view.digest for view in kept_views(store)] == [view.digest for view in views]
        assert all(is_loaded(store, view) for view in views)
        tags = state_tags([changed.product.view]) - state_tags([home.product.view])
        assert any(key.endswith(tuple(tags)) for key, _ in store.states())
    shown = metadata_of(home.materialize("online_features"), home.key("online_features"))
    assert shown["evicted_states"].value > 0
    with closing(store_of(home)) as store:
        assert [view.digest for view in kept_views(store)] == [home.product.view.digest]
        assert not any(key.endswith(tuple(tags)) for key, _ in store.states())


def states_of(store: OnlineStore, home: SmallHome) -> dict[str, bytes]:
    """The states of the declared view, without the note of what was loaded."""
    tags = tuple(state_tags([home.product.view]))
    return {key: state.content for key, state in store.states() if key.endswith(tags)}


def test_views_there_and_back_with_a_load_that_died_give_the_states_of_a_fresh_store(
    home: SmallHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_features, "NOTICED_SECONDS", 0.0)
    changed = longer(home)
    home.materialize("online_features")
    last = home.read("events").sort("event_timestamp").tail(2)
    times = [at + timedelta(hours=1) for at in last["event_timestamp"]]
    for number, (at, view) in enumerate(zip(times, (home, changed), strict=True)):
        row = last[number].with_columns(event_timestamp=pl.lit(at), transaction_id=10**9 + number)
        request = row.with_columns(pl.col(pl.Datetime).to_physical()).drop("known_at", "event_date")
        record = captured_record(10**9 + number, at=at, received_at=at)
        home.capture([msgspec.structs.replace(record, request=request.row(0, named=True))])
        view.materialize("online_features")
    home.materialize("online_features")

    def dying(*arguments: Any, **options: Any) -> Iterator[LoadedBlock]:
        yield from islice(load_states(*arguments, block_states=5, **options), 2)
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(online_features, "load_states", dying)
        assert not changed.materialize("online_features", raises=False).success
    changed.materialize("online_features")
    with closing(store_of(home)) as store:
        found = states_of(store, changed)
        captured = [one.content for one in store.captured()]
    fresh = changed.copy(tmp_path / "fresh")
    for left in Path(fresh.settings.online_store).glob("*"):
        left.unlink()
    with closing(store_of(fresh)) as store:
        assert store.commit([], captured)
    fresh.with_product(lambda _: changed.product).materialize("online_features")
    with closing(store_of(fresh)) as store:
        expected = states_of(store, changed)
    assert len(expected) > 100
    assert found == expected


def test_a_view_that_is_new_to_the_store_is_loaded_with_what_was_served_and_did_not_arrive_yet(
    home: SmallHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_features, "NOTICED_SECONDS", 0.0)
    home.materialize("online_features")
    last = home.read("events").sort("event_timestamp").tail(1)
    at = last["event_timestamp"][0] + timedelta(hours=1)
    row = last.with_columns(
        pl.lit(10**9).alias("transaction_id"), pl.lit(at).alias("event_timestamp"), amount_usd=pl.lit(5.0)
    )
    request = row.with_columns(pl.col(pl.Datetime).to_physical()).drop("known_at", "event_date")
    for number, collects in ((10**9, False), (10**9 + 1, True)):
        record = msgspec.structs.replace(
            captured_record(number, at=at, received_at=at),
            request={**request.row(0, named=True), "transaction_id": number},
        )
        home.capture([record])
        if collects:
            home.materialize("served_predictions")
    changed = longer(home)
    shown = metadata_of(changed.materialize("online_features"), home.key("online_features"))
    assert shown["served_events"].value == 2
    customer = entity_layouts(changed.product.view)[0]
    with closing(store_of(home)) as store:
        (state,) = store.read([str(customer.key(row[customer.entity][0]))])
    ids = EntityState(customer, state.content).event_ids()
    assert {10**9, 10**9 + 1} <= set(ids)


def test_a_wrong_time_is_refused(home: SmallHome) -> None:
    config = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": "yesterday"}}}}
    result = home.materialize("online_features", config=config, raises=False)
    assert not result.success
