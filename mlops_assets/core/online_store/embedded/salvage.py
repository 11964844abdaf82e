"""Reads what a damaged store still holds: its records, and what its successor needs to go on."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from mlops_assets.core.online_store.embedded.check import identity_of_file
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import connect, rows, value
from mlops_assets.core.online_store.embedded.page_rows import PageRow, rows_of_pages

BUSY_SECONDS = 1.0
LARGEST_POSITION = 2**48
"""No store comes that far: what says so is no row."""
_log = logging.getLogger(__name__)


@dataclass
class Salvage:
    """What was read, by whatever way it could be."""

    records: dict[int, bytes] = field(default_factory=dict)
    """Position to content."""
    notes: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Key of what is no state to version and content."""
    identity: str | None = None
    newest_version: int = 0
    """Largest version that was given to a state, as far as can be read."""
    newest_position: int = 0
    is_whole: bool = False
    """Whether SQLite read every record in order, so that none can be missing."""


def salvage(file: Path, *, is_record: Callable[[bytes], bool]) -> Salvage:
    """Read every record of the file and its log that is readable, each once; the files are not changed.

    What SQLite cannot reach is looked for page by page, in pages that were given up, too: there `is_record` tells
    content that is whole, and a record may come back that was collected before.
    """
    found = Salvage()
    log = None if _is_log_of_another(file) else StoreFiles(file).log
    try:
        if log is not None:
            _through_sqlite(file, found)
    except (apsw.Error, IndexError) as error:
        _log.warning("%s: SQLite reads only a part of it: %s", file, error)
    if not found.is_whole:
        for row in rows_of_pages(file, log):
            _take(found, row, is_record)
    return found


def _is_log_of_another(file: Path) -> bool:
    """Whether the log gives the store another identity than the file has by itself."""
    alone = identity_of_file(file)
    if alone is None:
        return False
    try:
        with closing(connect(file, busy_seconds=BUSY_SECONDS)) as connection:
            return value(connection, "SELECT identity FROM store") != alone
    except (apsw.Error, IndexError):
        return False


def _through_sqlite(file: Path, found: Salvage) -> None:
    with closing(connect(file, busy_seconds=BUSY_SECONDS)) as connection:
        found.identity, found.newest_version = rows(
            connection, "SELECT identity, newest_cleared_version FROM store"
        )[0]
        for position, content in connection.execute(
            "SELECT position, content FROM captured ORDER BY position"
        ):
            found.newest_position = max(found.newest_position, position)
            if content is not None:
                found.records[position] = content
        found.is_whole = value(connection, "PRAGMA integrity_check('captured')") == "ok"
        newest = value(connection, "SELECT coalesce(max(version), 0) FROM state")
        found.newest_version = max(found.newest_version, newest)
        notes = "SELECT key, version, content FROM state WHERE key NOT LIKE '%@%'"
        found.notes = {key: (version, content) for key, version, content in rows(connection, notes)}


def _take(found: Salvage, row: PageRow, is_record: Callable[[bytes], bool]) -> None:
    """Add what a row says; it may be of any table, and of any time."""
    match row.values:
        case (None, None) if 0 < row.number < LARGEST_POSITION:  # forgotten
            found.newest_position = max(found.newest_position, row.number)
            found.records.pop(row.number, None)
        case (None, bytes(content)) if 0 < row.number < LARGEST_POSITION and is_record(content):
            found.newest_position = max(found.newest_position, row.number)
            found.records[row.number] = content
        case (str(key), int(version), bytes(content)):
            found.newest_version = max(found.newest_version, version)
            if "@" not in key and version >= found.notes.get(key, (0, b""))[0]:
                found.notes[key] = (version, content)
        case (str(identity), int(version)) if found.identity is None and len(identity) == 32:
            found.identity, found.newest_version = identity, max(found.newest_version, version)
        case _:
            pass
