"""Looks for damage in an embedded store's files, while others use them."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import apsw

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import UNSOUND, connect, error_name, rows, value
from mlops_assets.core.online_store.embedded.seen import missing

PAGE_BYTES = 4096
LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
"""See https://www.sqlite.org/fileformat.html, section 4.1."""
STEPS = 100_000
"""SQLite's steps between two looks at the clock, some ten milliseconds."""
BUSY_SECONDS = 1.0
SHOWN_FINDINGS = 3


@dataclass(frozen=True)
class Examination:
    """What a look at a store found."""

    damage: str | None
    """None when nothing is wrong, or nothing was found in time."""
    is_complete: bool
    """Whether everything was looked at."""
    seconds: float


def examine(file: Path, *, seconds: float, is_cancelled: Callable[[], bool] = lambda: False) -> Examination:
    """Read every page of the store as it is now, and compare it with what was acknowledged.

    Nobody waits for it: it reads as of one commit, beside which others commit. For some 3 seconds per gigabyte of the
    store the log does not begin anew.

    seconds: after which it gives up. is_cancelled: asked now and then; gives up, too.

    Raises: OnlineStoreError when the file cannot be read for another reason than damage.
    """
    began = time.monotonic()

    def is_over() -> bool:
        return is_cancelled() or time.monotonic() > began + seconds

    try:
        damage = _damage(StoreFiles(file), is_over)
    except apsw.InterruptError:
        return Examination(None, is_complete=False, seconds=time.monotonic() - began)
    except (apsw.Error, OSError) as error:
        name = error_name(error)
        if not name.startswith((*UNSOUND, "SQLITE_IOERR_SHORT_READ")):
            raise OnlineStoreError(f"online store {file} cannot be checked: {error} ({name})") from error
        damage = f"{error} ({name})"
    return Examination(damage, is_complete=True, seconds=time.monotonic() - began)


def _damage(files: StoreFiles, is_over: Callable[[], bool]) -> str | None:
    with closing(connect(files.file, busy_seconds=BUSY_SECONDS)) as connection:
        connection.set_progress_handler(is_over, STEPS)
        if value(connection, "PRAGMA user_version") == 0:
            return "it holds no store: it was emptied"
        if (found := _foreign_log(files, connection) or _short_log(files, connection)) is not None:
            return found
        findings = [row[0] for row in rows(connection, f"PRAGMA integrity_check({SHOWN_FINDINGS})")]
        if findings != ["ok"]:
            return "; ".join(line for text in findings for line in str(text).splitlines())[:300]
        return missing(files, connection)


def _short_log(files: StoreFiles, connection: apsw.Connection) -> str | None:
    """Say when the log is shorter than the processes that share it take it to be."""
    frames = rows(connection, "PRAGMA wal_checkpoint(NOOP)")[0][1]
    needed = LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + PAGE_BYTES) if frames > 0 else 0
    try:
        found = files.log.stat().st_size
    except FileNotFoundError:
        found = 0
    return (
        None if found >= needed else f"its log has {found:,} bytes of {needed:,}: it was cut off or replaced"
    )


def _foreign_log(files: StoreFiles, connection: apsw.Connection) -> str | None:
    """Say when the store has another identity with its log than without."""
    alone = identity_of_file(files.file)
    if alone is None or alone == value(connection, "SELECT identity FROM store"):
        return None
    return "the log beside it is that of another store"


def identity_of_file(file: Path) -> str | None:
    """Return the identity that the file has without its log; None when it cannot be read there."""
    if file.stat().st_size == 0:
        return None
    address = f"file:{quote(str(file))}?immutable=1"
    try:
        with closing(
            apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        ) as connection:
            return value(connection, "SELECT identity FROM store")
    except (apsw.Error, IndexError):
        return None
