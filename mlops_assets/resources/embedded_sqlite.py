"""How Dagster's embedded SQLite databases are opened: one commit per event costs no flush of the disk.

Dagster's event log opens a connection for each statement and closes it again. The last one to close a database in
write-ahead mode copies the log back and flushes it, so that one stored event flushes the disk four times; a backfill
stores two events per partition and asset. What must not live here: anything about what is stored.
"""

import atexit
import sqlite3
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from threading import Lock

from sqlalchemy import event
from sqlalchemy.engine import Engine

MAXIMUM_HELD = 8
"""Databases that are held open at once: the indexes and the latest runs' logs."""

_held: OrderedDict[Hashable, sqlite3.Connection] = OrderedDict()
_lock = Lock()


def spare_the_disk() -> None:
    """From now on, hold a SQLite database in write-ahead mode open once SQLAlchemy of this process connects to it.

    `synchronous = NORMAL` is what SQLite recommends for this mode (https://sqlite.org/pragma.html#pragma_synchronous):
    a killed process loses nothing, and a power cut may lose the last events, but no consistency. Databases in another
    mode, such as MLflow's, are left as they are. Calling it again changes nothing.
    """
    if not event.contains(Engine, "connect", _on_connect):
        event.listen(Engine, "connect", _on_connect)
        atexit.register(release_databases)


def release_databases() -> None:
    """Close what is held; SQLite then copies each write-ahead log into its database and removes it."""
    with _lock:
        while _held:
            _held.popitem()[1].close()


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
        _hold(Path(file))


def _hold(file: Path) -> None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return
    key = (file, found.st_ino)  # a database that was deleted and made again is another one
    with _lock:
        if key in _held:
            _held.move_to_end(key)
            return
        holder = sqlite3.connect(file, check_same_thread=False)
        holder.execute("SELECT name FROM sqlite_master").fetchall()  # opens the log, and ends the transaction
        _held[key] = holder
        if len(_held) > MAXIMUM_HELD:
            _held.popitem(last=False)[1].close()
