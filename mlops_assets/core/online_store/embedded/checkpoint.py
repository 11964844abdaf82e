"""Checkpoints of an embedded store: its log is brought into its file by one process at a time."""

import fcntl
import os
from pathlib import Path

import apsw

from mlops_assets.core.online_store.embedded.library import rows

LONG_LOG_PAGES = 8192
"""Length of the log, 32 MiB, from which on a checkpoint lets it begin anew."""
FEW_PAGES = 64
"""Pages for which commits wait then, about: a millisecond or two."""
PASSES = 8
RESTART_MILLISECONDS = 20
"""How long a new beginning, and all commits with it, waits for a long read; then it is tried again next time."""
LARGEST_LOG_PAGES = 65_536
"""Length of the log, 256 MiB, at which a commit empties it although another thread writes checkpoints."""

_DESCRIPTORS: dict[int, int] = {}
"""Inode of a store's file to the descriptor that checkpoints use."""


class Ownership:
    """The right to write a store's checkpoints: a lock that ends with its holder's process at the latest."""

    def __init__(self, file: Path) -> None:
        """`file` is the one that is locked; it is made when it is missing."""
        self._file = file
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object has it."""
        return self._descriptor is not None

    def take(self) -> bool:
        """Take it unless another object has it, here or in another process; say whether this one has it now.

        Raises: OSError when the file cannot be made.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        """Let another one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def owner_of(file: Path) -> int | None:
    """Return the id of the process that holds the ownership; None when nobody does."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(descriptor, 20, 0) or b"0")
    else:
        return None
    finally:
        os.close(descriptor)


def descriptor_of(file: Path, inode: int) -> int:
    """Return a descriptor of a store's file for `fdatasync`; it stays open until the process ends.

    Closing any descriptor of a file would release the locks that SQLite holds on it in this process.
    """
    if inode not in _DESCRIPTORS:
        _DESCRIPTORS[inode] = os.open(file, os.O_RDONLY)
    return _DESCRIPTORS[inode]


def bring_in_a_long_log(connection: apsw.Connection, file: int, *, busy_seconds: float) -> None:
    """Write the log's pages into the file while commits go on; let a long log begin anew.

    file: a descriptor of the store's file.
    """
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
    _without_waiting(connection, "RESTART", busy_seconds=busy_seconds)


def empty_the_log(connection: apsw.Connection, *, busy_seconds: float) -> None:
    """Bring all of the log into the file and cut it off, unless somebody reads or writes."""
    _without_waiting(connection, "TRUNCATE", busy_seconds=busy_seconds)


def _without_waiting(connection: apsw.Connection, mode: str, *, busy_seconds: float) -> None:
    connection.set_busy_timeout(RESTART_MILLISECONDS)
    try:
        _bring_in(connection, mode)
    finally:
        connection.set_busy_timeout(int(busy_seconds * 1000))


_synchronize = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


def _bring_in(connection: apsw.Connection, mode: str) -> int:
    """Write the log's pages into the file; return the log's length when that began.

    It is -1 while another process does so.
    """
    return rows(connection, f"PRAGMA wal_checkpoint({mode})")[0][1]
