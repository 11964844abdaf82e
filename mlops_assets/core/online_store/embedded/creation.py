"""Makes a new file of an embedded store."""

import os
import uuid
from pathlib import Path

import apsw

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import StoreFiles

FORMAT = 1
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


def create_store(file: Path) -> None:
    """Make the file under another name and link it into place, so that no process ever finds half a store.

    Raises: OnlineStoreError for a log without its file, which SQLite would take for the new file's own.
    """
    files = StoreFiles(file)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if has_log(files) and not file.exists():  # in this order: another process may just have made both
        raise OnlineStoreError(
            f"online store {file} is missing, and {files.log.name}, which holds its newest commits, is there: put the "
            "file back, or move the log away too to start with an empty store"
        )
    # Not by process id: a killed process leaves its draft, and a container gives the same ids again.
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}.new")
    try:
        write_draft(draft)
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was quicker
    finally:
        remove_draft(draft)


def write_draft(draft: Path) -> None:
    """Write an empty store, without a log, to a file that nobody else uses."""
    draft.touch(mode=0o600)  # SQLite gives the files beside it the same rights
    connection = apsw.Connection(str(draft))
    try:
        connection.execute(_SCHEMA).fetchall()
    finally:
        connection.close()


def remove_draft(draft: Path) -> None:
    """Remove a draft, and what SQLite left beside it."""
    for left in draft.parent.glob(f"{draft.name}*"):
        left.unlink()


def has_log(files: StoreFiles) -> bool:
    """Whether there is a log with commits; an empty one holds none."""
    try:
        return files.log.stat().st_size > 0
    except FileNotFoundError:
        return False
