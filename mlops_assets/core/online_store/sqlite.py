"""The online store as one SQLite file per product, for the processes of one machine.

A commit survives the death of every process at once. Of a power loss the file comes back whole, without the commits
since the last checkpoint: a commit does not wait for the disk. The file belongs on a local disk, since several
processes share the memory beside it. A store that was found damaged is refused by all of them until it is restored.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import apsw

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.check import Examination, examine
from mlops_assets.core.online_store.embedded.checkpoint import (
    LARGEST_LOG_PAGES,
    Ownership,
    bring_in_a_long_log,
    descriptor_of,
    empty_the_log,
)
from mlops_assets.core.online_store.embedded.creation import FORMAT, create_store
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import (
    UNSOUND,
    advice,
    connect,
    error_name,
    require_sound_sqlite,
    rows,
    value,
)
from mlops_assets.core.online_store.embedded.log_length import (
    REFUSED_LOG_PAGES,
    LogLength,
    log_length,
    require_new_beginning,
)
from mlops_assets.core.online_store.embedded.reserve import STEP, Reserve, is_full
from mlops_assets.core.online_store.embedded.seen import Watermark, missing
from mlops_assets.core.online_store.embedded.statements import (
    CAPTURE,
    INSERT,
    clear_states,
    evict_states,
    forget_records,
    page_of_states,
    update_states,
)
from mlops_assets.core.online_store.protocol import ABSENT, CapturedRecord, StateChange, StoredState

BUSY_SECONDS = 2.0
"""How long a commit waits for the commits of other processes."""
POSITION_DIGITS = 20
SHORT_LOG_PAGES = 1000
"""Length of the log, 4 MiB, from which on a commit brings it in where no other thread does."""
_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
_log = logging.getLogger(__name__)


class SqliteOnlineStore:
    """States and captured predictions of one product in `file`, which is created with its folder when it is missing.

    An object opens the file at its first use, and again after a failure.
    """

    def __init__(self, file: Path) -> None:
        """Open nothing yet.

        Raises: ConfigurationError when the SQLite that is installed could damage the file.
        """
        require_sound_sqlite()
        self._file = file
        self._files = StoreFiles(file)
        self._damage_note = str(self._files.damaged)
        self._ownership = Ownership(self._files.owner)
        self._watermark = Watermark(self._files)
        self._reserve = Reserve(self._files)
        self._log_pages = 0
        """Length of the log after the last commit of this object."""
        self.has_checkpointer = False
        """Whether another thread calls `checkpoint`: commits then leave that to it, and do not wait for the disk."""
        self._connection: apsw.Connection | None = None
        self._is_ending = False
        """Whether a transaction is being committed."""
        self._inode = 0
        self._rows_read: Mapping[str, int] = {}
        """Key to row of the states that were read last: a commit after it finds them in half the time."""

    def identity(self) -> str:
        """See OnlineStore."""
        return self._ask(lambda connection: value(connection, "SELECT identity FROM store"))

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        """See OnlineStore."""
        marks = ", ".join("?" * len(keys))
        query = f"SELECT rowid, key, version, content FROM state WHERE key IN ({marks})"  # noqa: S608 - only marks
        there = self._ask(lambda connection: rows(connection, query, keys))
        self._rows_read = {key: rowid for rowid, key, _, _ in there}
        found = {key: StoredState(version, content) for _, key, version, content in there}
        return [found.get(key, _NO_STATE) for key in keys]

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        """See OnlineStore."""
        return self._change(lambda connection: self._commit(connection, changes, records))

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        """See OnlineStore; a position is a row number of twenty digits."""
        oldest = (
            "SELECT position, content FROM captured WHERE position > ? AND content IS NOT NULL "
            "ORDER BY position LIMIT ?"
        )
        found = self._ask(lambda connection: rows(connection, oldest, (int(after or 0), limit)))
        return [CapturedRecord(f"{position:0{POSITION_DIGITS}d}", content) for position, content in found]

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        """See OnlineStore; the freed space is used again, and the file does not shrink."""
        self._delete(records, forget_records)

    def captured_count(self) -> int:
        """See OnlineStore."""
        count = "SELECT count(content) FROM captured"
        return self._ask(lambda connection: value(connection, count))

    def states(self) -> Iterator[tuple[str, StoredState]]:
        """See OnlineStore; a page of keys at a time, between which others commit."""
        key = ""
        while page := self._ask(partial(page_of_states, after=key)):
            for key, version, content in page:
                yield key, StoredState(version, content)

    def state_count(self) -> int:
        """See OnlineStore."""
        return self._ask(lambda connection: value(connection, "SELECT count(*) FROM state"))

    def evict(self, versions: Mapping[str, int]) -> int:
        """See OnlineStore; the freed space is used again."""
        return self._delete(list(versions.items()), evict_states)

    def clear(self) -> None:
        """See OnlineStore."""
        self._change(lambda connection: self._done(connection, clear_states))

    def close(self) -> None:
        """See OnlineStore; a later call opens it again. The file then holds all of its log, unless others use it."""
        if self._connection is not None:
            with contextlib.suppress(OnlineStoreError, apsw.Error, OSError):
                self._refuse_another_file()
                if self._ownership.take():
                    empty_the_log(self._connection, busy_seconds=BUSY_SECONDS)
        self._let_go()

    def checkpoint(self) -> bool:
        """Bring the log's pages into the file while commits go on, and let a long log begin anew.

        One object on a machine does so, the first that asks, until it is closed or fails; say whether it is this one.

        The log of an owner that hangs is brought in by whoever asks, once it is long.

        By itself SQLite does both within a commit, which then waits for the disk: tens of milliseconds where all
        others take a tenth of one. A log begins anew only when the file has all of it, which under load is never so by
        itself: so what was committed meanwhile is brought in until little is left, and commits wait for that little.
        """

        def bring_in(connection: apsw.Connection) -> bool:
            descriptor = descriptor_of(self._file, self._inode)
            if not self._ownership.is_held and (not self._ownership.take() or self._has_lost(connection)):
                # The owner of a long log hangs. SQLite has locks of its own, so that two may bring it in.
                if log_length(connection).pages >= LARGEST_LOG_PAGES:
                    bring_in_a_long_log(connection, descriptor, busy_seconds=BUSY_SECONDS)
                return False
            bring_in_a_long_log(connection, descriptor, busy_seconds=BUSY_SECONDS)
            with contextlib.suppress(OSError):  # a full disk: the next note is one that is needed as much
                self._watermark.note(connection)
                self._reserve.keep()
            return True

        return self._ask(bring_in)

    def log_length(self) -> LogLength:
        """Return how long the log is, whoever brings it in."""
        return self._ask(log_length)

    def check(self, *, seconds: float, is_cancelled: Callable[[], bool] = lambda: False) -> Examination:
        """Look for damage, see `examine`; what is found is noted, so that every process refuses the store.

        seconds: after which it gives up. is_cancelled: asked now and then; gives up, too.

        Raises: OnlineStoreError, also when the store was found damaged before.
        """
        inode = self._ask(lambda _: self._inode)
        found = examine(self._file, seconds=seconds, is_cancelled=is_cancelled)
        if found.damage is not None:
            self._mark_damaged(found.damage, inode)
        return found

    def _has_lost(self, connection: apsw.Connection) -> bool:
        """Whether the store has not all that it had when its last owner looked; noted then."""
        lost = missing(self._files, connection)
        if lost is not None:
            self._mark_damaged(lost, self._inode)
        return lost is not None

    def _change(self, change: Callable[[apsw.Connection], _Answer]) -> _Answer:
        """Ask for a change, which looks at the file itself: in its transaction, during which nobody restores it."""
        return self._ask(change, self._connection)

    def _ask(
        self, question: Callable[[apsw.Connection], _Answer], connection: apsw.Connection | None = None
    ) -> _Answer:
        try:
            return question(connection or self._opened())
        except (apsw.Error, OSError) as error:
            self._fail(error)
        except OnlineStoreError:
            self._ownership.give_back()
            if self._files.replaced(self._inode):
                self._let_go()  # the next question opens the new one
            raise

    def _opened(self) -> apsw.Connection:
        """Return the connection, opened now if there is none."""
        if self._connection is not None and self._refuse_another_file():
            return self._connection
        self._let_go()
        if not self._file.exists():
            create_store(self._file)
        self._inode = self._file.stat().st_ino  # before it is opened: another file by then is noticed
        self._connection = self._connected()
        return self._connection

    def _refuse_another_file(self) -> bool:
        """Whether the file is the one that was opened; False when it was restored since.

        SQLite goes on with a file that was moved or deleted: everything written to it would be lost unnoticed. So a
        store refuses until the file is back.

        Raises: OnlineStoreError, also when the file is damaged.
        """
        if os.access(self._damage_note, os.F_OK):
            self._files.refuse_damaged()
        try:
            if os.stat(self._file).st_ino == self._inode:  # noqa: PTH116 - half the time of Path.stat
                return True
        except FileNotFoundError:
            pass
        if self._files.replaced(self._inode):
            return False
        raise OnlineStoreError(
            f"online store {self._file} was moved or deleted while it was in use: put it back; or stop every process "
            "that uses it, move away what is left beside it, and start again with an empty one"
        )

    def _connected(self) -> apsw.Connection:
        self._files.refuse_damaged()
        connection = connect(self._file, busy_seconds=BUSY_SECONDS)
        connection.set_wal_hook(self._bring_in_after_commit)
        found = value(connection, "PRAGMA user_version")
        if found == FORMAT:
            return connection
        connection.close()
        if found == 0:  # a new file has its format from the start
            self._mark_damaged("it holds no store: it was emptied", self._inode)
            self._files.refuse_damaged()
        raise OnlineStoreError(
            f"{self._file} is an online store of format {found}, and this version reads format {FORMAT}: collect "
            "its records with the version that wrote it, move it away, and materialize online_features"
        )

    def _bring_in_after_commit(self, connection: apsw.Connection, _: str, pages: int) -> int:
        """Where no thread of any process writes checkpoints, a commit does once the log is long."""
        self._log_pages = pages
        if pages < (LARGEST_LOG_PAGES if self.has_checkpointer else SHORT_LOG_PAGES):
            return apsw.SQLITE_OK
        had_it = self._ownership.is_held
        with contextlib.suppress(apsw.Error, OSError):  # the commit is done, whatever comes of this
            if self._ownership.take() or pages >= LARGEST_LOG_PAGES:  # its owner hangs
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if not had_it:
            self._ownership.give_back()
        return apsw.SQLITE_OK

    def _let_go(self) -> None:
        self._ownership.give_back()
        self._rows_read = {}
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    def _fail(self, error: apsw.Error | OSError) -> NoReturn:
        may_be_done, self._is_ending = self._is_ending, False
        self._let_go()
        name = error_name(error)
        if name.startswith(UNSOUND):
            self._mark_damaged(f"{error} ({name})", self._inode)
        raise OnlineStoreError(
            f"online store {self._file}: {error} ({name}); "
            f"{'the change may be done' if may_be_done else 'nothing was changed'}: "
            f"{advice(name, product=self._file.stem, busy_seconds=BUSY_SECONDS)}",
            may_be_done=may_be_done,
        ) from error

    def _mark_damaged(self, found: str, inode: int) -> None:
        try:
            self._files.mark_damaged(found, inode=inode)
        except OSError as error:
            _log.error("online store %s: that it is damaged could not be noted: %s", self._file, error)

    @contextmanager
    def _transaction(self, connection: apsw.Connection) -> Iterator[None]:
        self._is_ending = False
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._refuse_unless_same()
            yield
        except BaseException:
            if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                connection.execute("ROLLBACK")
            raise

    def _end(self, connection: apsw.Connection) -> None:
        """Commit. Where that fails it may be done: the log can have all of it, and whoever reads the log anew finds it.

        So it is where the disk is full when the index of the log has to grow, after the log was written.
        """
        self._is_ending = True
        connection.execute("COMMIT")
        self._is_ending = False

    def _refuse_unless_same(self) -> None:
        if not self._refuse_another_file():
            raise OnlineStoreError(f"online store {self._file} was restored just now: nothing was changed")

    def _commit(
        self, connection: apsw.Connection, changes: Sequence[StateChange], records: Sequence[bytes]
    ) -> bool:
        self._reserve.refuse_while_spent()
        if self._log_pages >= REFUSED_LOG_PAGES:
            require_new_beginning(connection, self._files, busy_seconds=BUSY_SECONDS)
            self._log_pages = 0
        before = connection.total_changes()
        with self._transaction(connection):
            if new := [(one.key, one.content) for one in changes if one.expected_version == ABSENT]:
                connection.executemany(INSERT, new)
            if old := [one for one in changes if one.expected_version != ABSENT]:
                update_states(connection, old, self._rows_read)
            if connection.total_changes() - before != len(changes):
                connection.execute("ROLLBACK")
                return False
            connection.executemany(CAPTURE, ((record,) for record in records))
            self._end(connection)
        return True

    def _delete(
        self, things: Sequence[_Thing], delete: Callable[[apsw.Connection, Sequence[_Thing]], int]
    ) -> int:
        """Delete things in one commit; on a full disk in small ones, each brought into the file, with the reserve."""

        def deleted(some: Sequence[_Thing]) -> int:
            return self._change(lambda connection: self._done(connection, lambda one: delete(one, some)))

        if not things:
            return 0
        try:
            return deleted(things)
        except OnlineStoreError as error:
            if not is_full(error) or not self._reserve.spend():
                raise
        count = 0
        try:
            self._ask(self._empty_log)
            for start in range(0, len(things), STEP):
                count += deleted(things[start : start + STEP])
                self._ask(self._empty_log)
        finally:
            with contextlib.suppress(OSError):
                self._reserve.keep()
        return count

    def _empty_log(self, connection: apsw.Connection) -> None:
        empty_the_log(connection, busy_seconds=BUSY_SECONDS)

    def _done(self, connection: apsw.Connection, work: Callable[[apsw.Connection], _Answer]) -> _Answer:
        """Do the work in a transaction of its own."""
        with self._transaction(connection):
            answer = work(connection)
            self._end(connection)
        return answer


_NO_STATE = StoredState(ABSENT, b"")
