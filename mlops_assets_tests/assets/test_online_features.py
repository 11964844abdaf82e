"""The online state: loaded as of a time, once, and again when it was lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
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


def test_the_online_state_is_loaded_as_of_a_time_and_moves_on(home: SmallHome) -> None:
    config = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": f"{AS_OF}T00:00:00"}}}}
    home.materialize("online_features", config=config)
    home.materialize("online_features")
    earlier, later = home.read("online_features").sort("as_of").iter_rows(named=True)
    assert earlier["as_of"].date() == AS_OF
    assert 0 < later["changed_states"] <= later["states"]


def test_a_wrong_time_is_refused(home: SmallHome) -> None:
    config = {"ops": {f"{FRAUD}__online_features": {"config": {"as_of": "yesterday"}}}}
    result = home.materialize("online_features", config=config, raises=False)
    assert not result.success
