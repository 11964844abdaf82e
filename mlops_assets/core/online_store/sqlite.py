"""The online store as one SQLite file per product, for the processes of one machine.

A commit survives the death of every process at once. Of a power loss the file comes back whole, without the commits
since the last checkpoint: a commit does not wait for the disk. The file belongs on a local disk, since several
processes share the memory beside it.
"""

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import ABSENT, CapturedRecord, StateChange, StoredState

FORMAT = 1
BUSY_SECONDS = 2.0
"""How long a commit waits for the commits of other processes."""
POSITION_DIGITS = 20
LONG_LOG_PAGES = 8192
"""Length of the log, 32 MiB, from which on a checkpoint lets it begin anew."""
FEW_PAGES = 64
"""Pages for which commits wait then, about: a millisecond or two."""
PASSES = 8
RESTART_MILLISECONDS = 20
"""How long a new beginning, and all commits with it, waits for a long read; then it is tried again next time."""
LARGEST_LOG_PAGES = 65_536
"""Length of the log, 256 MiB, at which a commit empties it although another thread writes checkpoints."""
CACHE_KIB = 131_072
"""Memory that a connection may use for pages, 128 MiB: with SQLite's 2 MiB most are fetched from the log again."""
PAGE_STATES = 500
"""States that are read at once when all are."""
LAST_UNUSED_VERSION = 127
"""Versions begin above and take two bytes for long: a row that keeps its length is overwritten where it changed."""
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE store (identity TEXT NOT NULL, newest_cleared_version INTEGER NOT NULL);
CREATE TABLE state (key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE captured (position INTEGER PRIMARY KEY, content BLOB);
INSERT INTO store VALUES (lower(hex(randomblob(16))), {LAST_UNUSED_VERSION});
PRAGMA user_version = {FORMAT};
"""  # noqa: S608 - two numbers of our own
_INSERT = (
    # A version is never given twice to one key: what was read before a clear must not fit what was written after it.
    "INSERT INTO state SELECT ?, newest_cleared_version + 1, ? FROM store WHERE true ON CONFLICT (key) DO NOTHING"
)
_NEVER_AGAIN = "UPDATE store SET newest_cleared_version = max(newest_cleared_version, ?)"
_UPDATE = "UPDATE state SET content = ?, version = version + 1 WHERE key = ? AND version = ?"
_UPDATE_READ = f"{_UPDATE} AND rowid = ?"
_CAPTURE = "INSERT INTO captured (content) VALUES (?)"
# The row of the last position stays, without content, so that SQLite never gives a position twice. AUTOINCREMENT would
# do the same for one more page in every commit, a quarter of what is written.
_EMPTY = "UPDATE captured SET content = NULL WHERE position = ? AND content = ?"
_DELETE_EMPTY = (
    "DELETE FROM captured "
    "WHERE content IS NULL AND position <= ? AND position < (SELECT max(position) FROM captured)"
)
_ADVICE = {
    "SQLITE_FULL": "free space on its disk; it goes on by itself then",
    "SQLITE_IOERR": "free space on its disk, or look for a failing one; it goes on by itself then",
    "SQLITE_BUSY": f"another process held it for more than {BUSY_SECONDS:.0f} s; look for one that hangs",
    "SQLITE_READONLY": "let this user write the file and its folder",
    "SQLITE_CANTOPEN": "let this user write the file and its folder",
    "SQLITE_NOTADB": "it is no online store: move it away, and materialize online_features",
    "SQLITE_CORRUPT": "move it away, and materialize online_features; records that were not collected are in it",
}
_Answer = TypeVar("_Answer")
_DESCRIPTORS: dict[int, int] = {}
"""Inode of a store's file to the descriptor that checkpoints use; see `_descriptor`."""


class SqliteOnlineStore:
    """States and captured predictions of one product in `file`, which is created with its folder when it is missing.

    An object opens the file at its first use, and again after a failure.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.has_checkpointer = False
        """Whether another thread calls `checkpoint`: commits then leave that to it, and do not wait for the disk."""
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._rows_read: Mapping[str, int] = {}
        """Key to row of the states that were read last: a commit after it finds them in half the time."""

    def identity(self) -> str:
        """See OnlineStore."""
        return self._ask(lambda connection: connection.execute("SELECT identity FROM store").fetchone()[0])

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        """See OnlineStore."""
        marks = ", ".join("?" * len(keys))
        rows = self._ask(
            lambda connection: connection.execute(
                f"SELECT rowid, key, version, content FROM state WHERE key IN ({marks})",  # noqa: S608 - only marks
                keys,
            ).fetchall()
        )
        self._rows_read = {key: rowid for rowid, key, _, _ in rows}
        found = {key: StoredState(version, content) for _, key, version, content in rows}
        return [found.get(key, _NO_STATE) for key in keys]

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        """See OnlineStore."""
        return self._ask(lambda connection: _commit(connection, changes, records, rows=self._rows_read))

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        """See OnlineStore; a position is a row number of twenty digits."""
        rows = self._ask(
            lambda connection: connection.execute(
                "SELECT position, content FROM captured WHERE position > ? AND content IS NOT NULL "
                "ORDER BY position LIMIT ?",
                (int(after or 0), limit),
            ).fetchall()
        )
        return [CapturedRecord(f"{position:0{POSITION_DIGITS}d}", content) for position, content in rows]

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        """See OnlineStore; the freed space is used again, and the file does not shrink."""
        if records:
            self._ask(lambda connection: _forget(connection, records))

    def captured_count(self) -> int:
        """See OnlineStore."""
        count = "SELECT count(content) FROM captured"
        return self._ask(lambda connection: connection.execute(count).fetchone()[0])

    def states(self) -> Iterator[tuple[str, StoredState]]:
        """See OnlineStore; a page of keys at a time, between which others commit."""
        key = ""
        while rows := self._ask(partial(_page, after=key)):
            for key, version, content in rows:
                yield key, StoredState(version, content)

    def state_count(self) -> int:
        """See OnlineStore."""
        return self._ask(lambda connection: connection.execute("SELECT count(*) FROM state").fetchone()[0])

    def evict(self, versions: Mapping[str, int]) -> int:
        """See OnlineStore; the freed space is used again."""
        return self._ask(lambda connection: _evict(connection, versions)) if versions else 0

    def clear(self) -> None:
        """See OnlineStore."""
        self._ask(_clear)

    def close(self) -> None:
        """See OnlineStore; a later call opens the file again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def checkpoint(self) -> None:
        """Bring the log's pages into the file while commits go on, and let a long log begin anew.

        By itself SQLite does both within a commit, which then waits for the disk: tens of milliseconds where all
        others take a tenth of one. A log begins anew only when the file has all of it, which under load is never so by
        itself: so what was committed meanwhile is brought in until little is left, and commits wait for that little.
        """
        self._ask(lambda connection: _checkpoint(connection, self._descriptor()))

    def _descriptor(self) -> int:
        """A descriptor of the file for `fdatasync`; it stays open until the process ends.

        Closing any descriptor of a file would release the locks that SQLite holds on it in this process.
        """
        if self._inode not in _DESCRIPTORS:
            _DESCRIPTORS[self._inode] = os.open(self._file, os.O_RDONLY)
        return _DESCRIPTORS[self._inode]

    def _ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        try:
            return question(self._opened())
        except (sqlite3.DatabaseError, OSError) as error:
            self._fail(error)

    def _opened(self) -> sqlite3.Connection:
        """Return the connection, opened now if there is none.

        SQLite goes on with a file that was moved or deleted: everything written to it would be lost unnoticed, and
        closing it would delete the log of whatever has its name by then. So a store refuses until the file is back.
        """
        if self._connection is None:
            self._connection = self._connected()
            self._inode = self._file.stat().st_ino
            return self._connection
        try:
            if os.stat(self._file).st_ino == self._inode:  # noqa: PTH116 - half the time of Path.stat
                return self._connection
        except FileNotFoundError:
            pass
        raise OnlineStoreError(
            f"online store {self._file} was moved or deleted while it was in use: put it back; or stop every process "
            "that uses it, move away what is left beside it, and start again with an empty one"
        )

    def _connected(self) -> sqlite3.Connection:
        if not self._file.exists():
            _create(self._file)
        connection = _connect(self._file)
        if self.has_checkpointer:
            connection.execute(f"PRAGMA wal_autocheckpoint = {LARGEST_LOG_PAGES}")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == FORMAT:
            return connection
        connection.close()
        raise OnlineStoreError(
            f"{self._file} is an online store of format {found}, and this version reads format {FORMAT}: collect "
            "its records with the version that wrote it, move it away, and materialize online_features"
        )

    def _fail(self, error: sqlite3.DatabaseError | OSError) -> NoReturn:
        self.close()
        name = getattr(error, "sqlite_errorname", "SQLITE_CANTOPEN")
        advice = next(
            (text for code, text in _ADVICE.items() if name.startswith(code)), "see SQLite's message"
        )
        raise OnlineStoreError(
            f"online store {self._file}: {error} ({name}); nothing was changed: {advice}"
        ) from error


_NO_STATE = StoredState(ABSENT, b"")


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA mmap_size = {1 << 30}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def _create(file: Path) -> None:
    """Make the file under another name and link it into place, so that no process ever finds half a store.

    Raises: OnlineStoreError for a log without its file, which SQLite would take for the new file's own.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and not file.exists():  # in this order: another process may just have made both
        raise OnlineStoreError(
            f"online store {file} is missing, and {log.name}, which holds its newest commits, is there: put the file "
            "back, or move the log away too to start with an empty store"
        )
    # Not by process id: a killed process leaves its draft, and a container gives the same ids again.
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}.new")
    try:
        draft.touch(mode=0o600)  # SQLite gives the files beside it the same rights
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.executescript(_SCHEMA)
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was quicker
    finally:
        for left in file.parent.glob(f"{draft.name}*"):
            left.unlink()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def _commit(
    connection: sqlite3.Connection,
    changes: Sequence[StateChange],
    records: Sequence[bytes],
    *,
    rows: Mapping[str, int],
) -> bool:
    with _transaction(connection):
        written = 0
        if new := [(one.key, one.content) for one in changes if one.expected_version == ABSENT]:
            written += connection.executemany(_INSERT, new).rowcount
        if old := [one for one in changes if one.expected_version != ABSENT]:
            written += _update(connection, old, rows)
        if written != len(changes):
            connection.execute("ROLLBACK")
            return False
        connection.executemany(_CAPTURE, ((record,) for record in records))
        connection.execute("COMMIT")
    return True


def _update(connection: sqlite3.Connection, changes: Sequence[StateChange], rows: Mapping[str, int]) -> int:
    """Write changes of states that are there; return how many still had the expected version."""
    try:
        known = [(one.content, one.key, one.expected_version, rows[one.key]) for one in changes]
    except KeyError:
        values = [(one.content, one.key, one.expected_version) for one in changes]
        return connection.executemany(_UPDATE, values).rowcount
    return connection.executemany(_UPDATE_READ, known).rowcount


def _checkpoint(connection: sqlite3.Connection, file: int) -> None:
    before = 0
    for _ in range(PASSES):
        length = _bring_in(connection, "PASSIVE")
        if length < LONG_LOG_PAGES:
            return
        # SQLite does it only with the last page, and commits would wait for all that was written until then.
        _synchronize(file)
        if length - before <= FEW_PAGES:
            break  # what came in during the pass before; during this one it was hardly more
        before = length
    else:
        if length < LARGEST_LOG_PAGES // 2:
            return  # commits are as fast as the disk at present: try again next time
    connection.execute(f"PRAGMA busy_timeout = {RESTART_MILLISECONDS}")
    try:
        _bring_in(connection, "RESTART")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


_synchronize = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


def _bring_in(connection: sqlite3.Connection, mode: str) -> int:
    """Write the log's pages into the file; return the log's length when that began.

    It is -1 while another process does so.
    """
    return connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[1]


def _forget(connection: sqlite3.Connection, records: Sequence[CapturedRecord]) -> None:
    with _transaction(connection):
        connection.executemany(_EMPTY, ((int(one.position), one.content) for one in records))
        connection.execute(_DELETE_EMPTY, (int(records[-1].position),))
        connection.execute("COMMIT")


def _page(connection: sqlite3.Connection, *, after: str) -> list[tuple[str, int, bytes]]:
    page = "SELECT key, version, content FROM state WHERE key > ? ORDER BY key LIMIT ?"
    return connection.execute(page, (after, PAGE_STATES)).fetchall()


def _evict(connection: sqlite3.Connection, versions: Mapping[str, int]) -> int:
    with _transaction(connection):
        gone = connection.executemany(
            "DELETE FROM state WHERE key = ? AND version = ?", versions.items()
        ).rowcount
        if gone:
            newest = max(versions.values())
            connection.execute(_NEVER_AGAIN, (newest,))
        connection.execute("COMMIT")
    return gone


def _clear(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.execute(
            "UPDATE store SET newest_cleared_version = max(newest_cleared_version, "
            "(SELECT coalesce(max(version), 0) FROM state))"
        )
        connection.execute("DELETE FROM state")
        connection.execute("COMMIT")
