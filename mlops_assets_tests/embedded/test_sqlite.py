"""Dagster's databases are held open in write-ahead mode, and nothing that was stored is lost by it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from mlops_assets.embedded.sqlite import (
    MAXIMUM_HELD,
    held_databases,
    open_as_usual,
    release_databases,
    spare_the_disk,
)

NORMAL, FULL = 1, 2


@pytest.fixture
def spared() -> Iterator[None]:
    open_as_usual()
    spare_the_disk()
    yield
    open_as_usual()


def database(file: Path, *, mode: str) -> sqlalchemy.Engine:
    with sqlite3.connect(file) as made:
        made.execute(f"PRAGMA journal_mode = {mode}")
        made.execute("CREATE TABLE events (id INTEGER)")
    made.close()
    return sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)


def store(engine: sqlalchemy.Engine, number: int) -> int:
    """Store one row through a connection of its own and return the connection's `synchronous`."""
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO events VALUES (:id)"), {"id": number})
        return int(connection.execute(sqlalchemy.text("PRAGMA synchronous")).scalar_one())


def stored(file: Path) -> int:
    reader = sqlite3.connect(file)
    (count,) = reader.execute("SELECT count(*) FROM events").fetchone()
    reader.close()
    return int(count)


@pytest.mark.usefixtures("spared")
def test_a_database_in_write_ahead_mode_is_not_flushed_when_a_connection_ends(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    engine = database(file, mode="wal")
    assert [store(engine, number) for number in range(3)] == [NORMAL] * 3
    assert held_databases() == 1
    assert Path(f"{file}-wal").stat().st_size > 0
    assert stored(file) == 3
    release_databases()
    assert not Path(f"{file}-wal").exists()
    assert stored(file) == 3


@pytest.mark.usefixtures("spared")
def test_a_database_in_another_mode_is_left_as_it_is(tmp_path: Path) -> None:
    engine = database(tmp_path / "mlflow.db", mode="delete")
    assert store(engine, 1) == FULL
    assert held_databases() == 0


@pytest.mark.usefixtures("spared")
def test_only_the_latest_databases_are_held(tmp_path: Path) -> None:
    for number in range(MAXIMUM_HELD + 2):
        store(database(tmp_path / f"{number}.db", mode="wal"), number)
    assert held_databases() == MAXIMUM_HELD
    assert not (tmp_path / "0.db-wal").exists()
    assert (tmp_path / f"{MAXIMUM_HELD + 1}.db-wal").exists()


@pytest.mark.usefixtures("spared")
def test_a_database_that_was_deleted_and_made_again_is_written_to(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    store(database(file, mode="wal"), 1)
    for path in tmp_path.glob("log.db*"):
        path.unlink()
    engine = database(file, mode="wal")
    assert store(engine, 2) == NORMAL
    assert stored(file) == 1


@pytest.mark.usefixtures("spared")
def test_dagsters_databases_are_held_and_its_events_are_read_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    @dg.asset
    def noun() -> None: ...

    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([noun], instance=instance).success
    assert held_databases() >= 2
    index = sqlite3.connect(tmp_path / "history" / "runs" / "index.db")
    (count,) = index.execute(
        "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    ).fetchone()
    index.close()
    assert count == 1


@pytest.mark.usefixtures("spared")
def test_a_statement_is_compiled_once_per_database_whatever_the_engines_and_answers_by_its_own_values(
    tmp_path: Path,
) -> None:
    table = sqlalchemy.Table("events", sqlalchemy.MetaData(), sqlalchemy.Column("id", sqlalchemy.Integer))
    database(tmp_path / "log.db", mode="wal")
    found, compilations = [], []
    for number in range(3):
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'log.db'}", poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(table.insert().values(id=number))
            read = connection.execute(sqlalchemy.select(table.c.id).where(table.c.id == number))
            compilations.append(read.context.compiled)
            found.append(read.all())
    assert found == [[(0,)], [(1,)], [(2,)]]
    assert len({id(compiled) for compiled in compilations}) == 1


KILLED = """
import os, signal, sys
import sqlalchemy
from sqlalchemy.pool import NullPool
from mlops_assets.embedded.sqlite import spare_the_disk
spare_the_disk()
engine = sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}", poolclass=NullPool)
for number in range(100):
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO events VALUES (:id)"), {"id": number})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_event(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    database(file, mode="wal")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False, env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    assert stored(file) == 100
