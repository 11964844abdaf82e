"""Online stores as a resource: opened for a block, closed afterwards, and never shown."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.resources.online_stores import OnlineStores


def test_each_product_has_its_own_store_that_outlives_the_block(tmp_path: Path) -> None:
    stores = OnlineStores(str(tmp_path))
    with stores.opened("shop") as store:
        assert store.commit([StateChange("a", ABSENT, b"1")], [])
    with stores.opened("shop") as store, stores.opened("other") as other:
        assert [one.read(["a"])[0].content for one in (store, other)] == [b"1", b""]


def test_it_is_closed_when_the_block_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    with pytest.raises(ZeroDivisionError), OnlineStores(str(tmp_path)).opened("shop") as store:
        monkeypatch.setattr(store, "close", lambda: closed.append(store))
        raise ZeroDivisionError
    assert closed == [store]


def test_its_password_is_not_shown() -> None:
    stores = OnlineStores("redis://:hunter2@store")
    assert "hunter2" not in repr(stores)
    with pytest.raises(ConfigurationError), stores.opened("No Product"):
        pass
