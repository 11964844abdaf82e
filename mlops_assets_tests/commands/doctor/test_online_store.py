"""The doctor's look at the online store, with SQLite files and a real Redis."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from mlops_assets.commands.doctor import online_store
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.online_store import online_store_checks
from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import sqlite_version
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore
from mlops_assets.core.settings import Settings, load_settings


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


def settings_of(home: Path, location: str = "") -> Settings:
    environ = {"MLOPS_HOME": str(home), "MLOPS_ONLINE_STORE": location}
    return load_settings(environ, working_directory=home)


def findings(settings: Settings) -> dict[str, Check]:
    checkup = Checkup("area", "online store", lambda: online_store_checks(settings), "do this")
    return {check.name: check for check in checkup.findings()}


def test_files_that_can_be_written_are_well_and_nothing_is_left(tmp_path: Path) -> None:
    assert "is not there yet" in findings(settings_of(tmp_path))["online store"].detail
    assert not (tmp_path / "online").exists()
    (tmp_path / "online").mkdir()
    found = findings(settings_of(tmp_path))
    assert "read back and removed" in found["online store"].detail
    assert f"SQLite {sqlite_version()}" in found["online store's SQLite"].detail
    assert list((tmp_path / "online").iterdir()) == []


def test_a_damaged_store_fails_with_the_command_that_restores_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    file = tmp_path / "online" / "fraud_detection.sqlite"
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([StateChange(f"key={n}@tag", 0, b"s" * 400) for n in range(100)], [])
    name = "fraud_detection's online store"
    assert findings(settings)[name].status == "ok"
    os.truncate(file, file.stat().st_size // 2)
    found = findings(settings)[name]
    assert (found.status, "mlops store restore fraud_detection" in found.action) == ("failed", True)
    StoreFiles(file).mark_damaged("page 9")
    assert "everybody refuses it: page 9" in findings(settings)[name].detail


def test_a_log_that_nobody_brings_in_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_store, "LONGEST_LOG_BYTES", 1000)
    with closing(SqliteOnlineStore(tmp_path / "online" / "fraud_detection.sqlite")) as store:
        assert store.commit([], [b"record" * 1000])
        found = findings(settings_of(tmp_path))["fraud_detection's online store"]
        assert (found.status, "no process owns its checkpoints" in found.detail) == ("warning", True)


def test_a_redis_that_may_lose_what_it_took_says_so(tmp_path: Path, server: RedisServer) -> None:
    found = findings(settings_of(tmp_path, server.url))
    assert found["online store"].status == "ok"
    assert found["Redis durability"].status == "warning"
    assert "Redis eviction" not in found
    with redis.Redis.from_url(server.url) as client:
        assert client.keys() == []
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "yes")
    found = findings(settings_of(tmp_path, server.url))
    assert found["Redis eviction"].status == "failed"
    assert "Redis durability" not in found


def test_a_redis_that_does_not_answer_fails_and_shows_no_password(tmp_path: Path) -> None:
    found = findings(settings_of(tmp_path, "redis://user:hunter2@127.0.0.1:1/0"))["online store"]
    assert (found.status, found.action) == ("failed", "do this")
    assert "hunter2" not in found.detail


def test_a_location_that_is_none_fails(tmp_path: Path) -> None:
    found = findings(settings_of(tmp_path, "postgresql://127.0.0.1/online"))["online store"]
    assert "takes a folder, or a redis:// or rediss:// URL" in found.detail
