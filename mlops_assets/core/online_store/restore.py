"""Puts a sound store in the place of a damaged one, with every record that can be read."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import msgspec

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.files import replace_file, sync
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.embedded.checkpoint import Ownership, owner_of
from mlops_assets.core.online_store.embedded.creation import remove_draft, write_draft
from mlops_assets.core.online_store.embedded.files import Restoration, StoreFiles
from mlops_assets.core.online_store.embedded.salvage import Salvage, salvage
from mlops_assets.core.online_store.embedded.seen import noted
from mlops_assets.core.online_store.kept_views import KEPT_VIEWS

CHECK_SECONDS = 3600.0
WAIT_SECONDS = 15.0
"""Within which every process has noticed the damage: services look five times a second, and a commit waits 2 s."""
VERSIONS_LEFT_OUT = 2**24
"""Versions that are not given again, since the states that had them may be unreadable."""
_WRITE_LOCK = 120
"""Place of SQLite's write lock in the index of the log, see https://www.sqlite.org/walformat.html, section 2.1."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Restored:
    """What a restoration did."""

    damage: str
    """What was wrong."""
    records: int
    """Captured records that the new store has, of those that nobody had collected."""
    is_complete: bool
    """Whether every record of the damaged file could be read."""
    kept: Path
    """The damaged file, with its log beside it."""


def restore_store(file: Path, *, is_record: Callable[[bytes], bool]) -> Restored | None:
    """Replace the store by one with its records and without states, if it is damaged; None when it is sound.

    Everybody refuses the store meanwhile, and goes on with the new one by itself. The damaged file stays under another
    name. Killed at any instant it leaves the store refused or restored, and running again does the rest. For a process
    that uses the store in no other way.

    file: the store's. is_record: tells whether bytes that were found in a stray page are a whole record.

    Raises: OnlineStoreError when a process does not let go of the store, or the disk is full.
    """
    files = StoreFiles(file)
    found = examine(file, seconds=CHECK_SECONDS)
    if found.damage is None:
        files.damaged.unlink(missing_ok=True)
        return None
    try:
        damage = files.mark_damaged(found.damage).found
        with _alone(files):
            _wait_for_commits(files)
            kept = _keep(files)
            salvaged = salvage(kept, is_record=is_record)
            _replace(files, kept, salvaged)
    except (apsw.Error, OSError) as error:
        raise OnlineStoreError(
            f"online store {file} is not restored yet: {error}; everything is as it was: mend that, and run this again"
        ) from error
    return Restored(damage, len(salvaged.records), salvaged.is_whole, kept)


@contextmanager
def _alone(files: StoreFiles) -> Iterator[None]:
    """Own the checkpoints, which every service gives back when it notices the damage."""
    ownership = Ownership(files.owner)
    deadline = time.monotonic() + WAIT_SECONDS
    while not ownership.take():
        if time.monotonic() > deadline:
            raise OnlineStoreError(
                f"process {owner_of(files.owner)} does not let go of {files.file}: end it, and run this again"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        ownership.give_back()


def _wait_for_commits(files: StoreFiles) -> None:
    """Wait for a commit that began before the damage was noted; later ones refuse."""
    try:
        descriptor = os.open(files.index, os.O_RDWR)
    except FileNotFoundError:
        return
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _WRITE_LOCK)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OnlineStoreError(
                        f"a process has been committing to {files.file} for {WAIT_SECONDS:.0f} s: look for one that "
                        "hangs, end it, and run this again"
                    ) from None
                time.sleep(_POLL_SECONDS)
    finally:
        os.close(descriptor)


def _keep(files: StoreFiles) -> Path:
    """Give the damaged file and its log second names, under which they stay."""
    kept = files.beside(f"-damaged-{files.inode()}")
    for there, name in ((files.file, kept), (files.log, StoreFiles(kept).log)):
        if there.exists() and not name.exists():
            os.link(there, name)
    sync(files.file.parent)
    return kept


def _replace(files: StoreFiles, kept: Path, salvaged: Salvage) -> None:
    draft = files.beside(".restored.new")
    remove_draft(draft)
    try:
        write_draft(draft)
        _fill(draft, salvaged, _newest_position(files, salvaged))
        sync(draft)
        before = files.restoration()
        replaces = [*(before.replaces if before else []), kept.stat().st_ino]
        note = msgspec.json.encode(Restoration(draft.stat().st_ino, replaces))
        replace_file(files.restored, lambda partial: partial.write_bytes(note), is_durable=True)
        for left in (files.log, files.index, files.seen):
            left.unlink(missing_ok=True)
        draft.replace(files.file)
        sync(files.file.parent)
    finally:
        remove_draft(draft)
    files.damaged.unlink(missing_ok=True)


def _newest_position(files: StoreFiles, salvaged: Salvage) -> int:
    seen = noted(files)
    return max(salvaged.newest_position, seen.position if seen is not None else 0)


def _fill(draft: Path, salvaged: Salvage, newest: int) -> None:
    """Write records at their places, and let the next one have a place that none had."""
    version = salvaged.newest_version + VERSIONS_LEFT_OUT
    with closing(apsw.Connection(str(draft))) as connection, connection:
        connection.execute("UPDATE store SET newest_cleared_version = ?", (version,))
        if salvaged.identity is not None:
            connection.execute("UPDATE store SET identity = ?", (salvaged.identity,))
        insert = "INSERT INTO captured VALUES (?, ?)"
        connection.executemany(insert, sorted(salvaged.records.items()))
        if newest and newest not in salvaged.records:
            connection.execute(insert, (newest, None))
        notes = [
            (key, version + 1, content) for key, (_, content) in salvaged.notes.items() if key == KEPT_VIEWS
        ]
        connection.executemany("INSERT INTO state VALUES (?, ?, ?)", notes)
