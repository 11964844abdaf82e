"""How Dagster's embedded SQLite databases are opened: storing an event flushes no disk and compiles no SQL.

Dagster's event log makes an engine and a connection for each statement. The last connection that closes a database in
write-ahead mode copies the log back and flushes it, so that one stored event flushed the disk four times; and each
engine compiled the same few statements anew, a third of the processor time of an event. A backfill stores two events
per partition and asset.
"""

import atexit
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine

MAXIMUM_HELD = 8
"""Databases that are held open at once: the indexes and the latest runs' logs."""
MAXIMUM_STATEMENTS = 500
"""Compiled statements that are kept per database, as many as an engine keeps by default."""


class _Statements(dict[object, object]):
    """Statements that were compiled for one database, by what they are and not by which engine asked first.

    SQLAlchemy's keys hold the engine's dialect; all engines of one database have equal ones.
    """

    def get(self, key: object, default: object = None) -> object:
        return super().get(_without_engine(key), default)

    def __setitem__(self, key: object, compiled: object) -> None:
        if len(self) >= MAXIMUM_STATEMENTS:
            self.clear()
        super().__setitem__(_without_engine(key), compiled)


@dataclass(frozen=True)
class _Held:
    inode: int
    """A database that was deleted and made again is another one."""
    connection: sqlite3.Connection
    statements: _Statements = field(default_factory=_Statements)


_held: OrderedDict[str, _Held] = OrderedDict()
_lock = Lock()


def spare_the_disk() -> None:
    """From now on, hold a SQLite database in write-ahead mode open once SQLAlchemy of this process connects to it.

    `synchronous = NORMAL` is what SQLite recommends for this mode (https://sqlite.org/pragma.html#pragma_synchronous):
    a killed process loses nothing, and a power cut may lose the last events, but no consistency. Databases in another
    mode, such as MLflow's, are left as they are. Calling it again changes nothing.
    """
    if not event.contains(Engine, "connect", _on_connect):
        event.listen(Engine, "connect", _on_connect)
        event.listen(Engine, "engine_connect", _share_statements)
        atexit.register(release_databases)


def release_databases() -> None:
    """Close what is held; SQLite then copies each write-ahead log into its database and removes it."""
    with _lock:
        while _held:
            _held.popitem()[1].connection.close()


def open_as_usual() -> None:
    """Undo `spare_the_disk`."""
    if event.contains(Engine, "connect", _on_connect):
        event.remove(Engine, "connect", _on_connect)
        event.remove(Engine, "engine_connect", _share_statements)
    release_databases()


def held_databases() -> int:
    """Return how many databases are held open."""
    return len(_held)


def _on_connect(connection: object, _record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    if connection.execute("PRAGMA journal_mode").fetchall() != [("wal",)]:
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    file = connection.execute("PRAGMA database_list").fetchall()[0][2]
    if file:
        _hold(file)


def _hold(file: str) -> None:
    try:
        inode = Path(file).stat().st_ino
    except FileNotFoundError:
        return
    with _lock:
        known = _held.get(file)
        if known is not None and known.inode == inode:
            _held.move_to_end(file)
            return
        if known is not None:
            known.connection.close()
        holder = sqlite3.connect(file, check_same_thread=False)
        holder.execute("SELECT name FROM sqlite_master").fetchall()  # opens the log, and ends the transaction
        _held[file] = _Held(inode, holder)
        _held.move_to_end(file)
        if len(_held) > MAXIMUM_HELD:
            _held.popitem(last=False)[1].connection.close()


def _share_statements(connection: Connection) -> None:
    url = connection.engine.url
    held = _held.get(url.database or "") if url.get_backend_name() == "sqlite" else None
    if held is not None:
        connection.execution_options(compiled_cache=held.statements)  # type: ignore[arg-type]


def _without_engine(key: object) -> object:
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(type(part) if isinstance(part, Dialect) else part for part in parts)
