"""The store that the settings name: found by its location, and nothing is opened before it is used."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.redis import RedisOnlineStore
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


def test_a_folder_holds_one_file_per_product_once_something_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_online_store("online", "shop")
    assert isinstance(store, SqliteOnlineStore)
    assert not (tmp_path / "online").exists()
    monkeypatch.chdir("/")  # the folder is that of the moment in which it was named
    assert store.commit([StateChange("a", ABSENT, b"1")], [])
    store.close()
    assert (tmp_path / "online" / "shop.sqlite").is_file()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_redis_that_is_away_is_no_reason_not_to_start(scheme: str) -> None:
    store = open_online_store(f"{scheme}://127.0.0.1:1", "shop")
    assert isinstance(store, RedisOnlineStore)
    store.close()


def test_another_kind_of_url_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match="takes a folder, or a redis") as caught:
        open_online_store("postgres://me:hunter2@host/db", "shop")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../shop", "Shop", "1shop", "shop.sqlite", "shop*"])
def test_a_name_that_no_product_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no product's name"):
        open_online_store(str(tmp_path), name)
