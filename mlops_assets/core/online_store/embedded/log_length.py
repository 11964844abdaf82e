"""How long a store's log is, and who keeps it from being brought into the file."""

from dataclasses import dataclass
from pathlib import Path

import apsw

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.checkpoint import RESTART_MILLISECONDS, owner_of
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import rows

PAGE_BYTES = 4096
REFUSED_LOG_PAGES = 524_288
"""Length of the log, 2 GiB, from which on nothing more is written until it can begin anew."""


@dataclass(frozen=True)
class LogLength:
    """The pages of a log that count now; its file does not become shorter when it begins anew."""

    pages: int
    waiting: int
    """Those among them that the file does not have yet."""

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return self.pages * PAGE_BYTES


def log_length(connection: apsw.Connection) -> LogLength:
    """Return the log's length; nothing is brought in."""
    _, pages, brought_in = rows(connection, "PRAGMA wal_checkpoint(NOOP)")[0]
    return LogLength(max(0, pages), max(0, pages - max(0, brought_in)))


def require_new_beginning(connection: apsw.Connection, files: StoreFiles, *, busy_seconds: float) -> None:
    """Bring a log in that is too long, and let it begin anew.

    Raises: OnlineStoreError when that cannot be, since a process holds a lock or reads; it names the owner of
    checkpoints.
    """
    connection.set_busy_timeout(RESTART_MILLISECONDS)
    try:
        is_busy = rows(connection, "PRAGMA wal_checkpoint(RESTART)")[0][0]
    finally:
        connection.set_busy_timeout(int(busy_seconds * 1000))
    if not is_busy:
        return
    raise OnlineStoreError(
        f"online store {files.file}: its log has {log_length(connection).size_bytes / 2**20:,.0f} MiB and cannot be "
        f"brought in: {who_owns(files)}; nothing was changed: end the process that hangs, or that reads for so long; "
        "it goes on by itself then"
    )


def who_owns(files: StoreFiles) -> str:
    """Say in words which process owns the checkpoints, and whether it is stopped."""
    owner = owner_of(files.owner)
    if owner is None:
        return "no process owns its checkpoints"
    return f"process {owner} owns its checkpoints{' and is stopped' if is_stopped(owner) else ''}"


def is_stopped(process: int) -> bool:
    """Whether a process was stopped, as by SIGSTOP or a debugger; False where the system does not say (no Linux)."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")
