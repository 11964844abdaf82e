"""Only a sound SQLite is used, and a connection leaves the log of its file alone."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.online_store.embedded import library
from mlops_assets.core.online_store.embedded.creation import write_draft
from mlops_assets.core.online_store.embedded.library import (
    connect,
    error_name,
    require_sound_sqlite,
    sqlite_version,
    value,
)
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


def test_a_sqlite_that_can_damage_the_file_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "sqlite_version", lambda: "3.40.1")
    with pytest.raises(ConfigurationError, match=r"SQLite 3\.40\.1.*takes SQLite 3\.51\.3 or later: install"):
        SqliteOnlineStore(tmp_path / "shop.sqlite")
    monkeypatch.setattr(library, "sqlite_version", lambda: "3.100.0")
    require_sound_sqlite()


def test_the_store_runs_on_the_sqlite_of_apsw() -> None:
    with closing(apsw.Connection(":memory:")) as connection:
        assert value(connection, "SELECT sqlite_version()") == sqlite_version()


def test_the_last_connection_that_closes_leaves_the_log(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    write_draft(file)
    with closing(connect(file, busy_seconds=1.0)) as connection:
        connection.execute("INSERT INTO captured (content) VALUES (?)", (b"record",))
    assert (tmp_path / "shop.sqlite-wal").stat().st_size > 0
    with closing(connect(file, busy_seconds=1.0)) as connection:
        assert value(connection, "SELECT content FROM captured") == b"record"


def test_an_error_has_sqlites_name(tmp_path: Path) -> None:
    with pytest.raises(apsw.CantOpenError) as missing:
        connect(tmp_path / "missing", busy_seconds=1.0)
    assert error_name(missing.value) == "SQLITE_CANTOPEN"
    assert error_name(PermissionError()) == "SQLITE_CANTOPEN"
