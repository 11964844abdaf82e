"""Processes that commit to one store, bring its log in and collect its records, until they are killed."""

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.store_torture.other_library import use_sqlite3
from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded import checkpoint
from mlops_assets.core.online_store.embedded.seen import Watermark
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

SHARED_KEYS = 8
"""States that all clients count up, so that commits meet."""
LONG_LOG_PAGES = (100, 2000)
"""Of every other process: its checkpoints let the log begin anew all the time, or leave that to the next commit."""
RECORD_BYTES = (40, 6000)
LARGEST_LOG_PAGES = 2000
"""In place of 65,536, which would fill the small disk where the machine is busy."""
PAGE_RECORDS = 1000
BACKLOG = 4000
"""Commits that may be ahead of the collector: more records would fill the small disk by themselves."""
RETRY_SECONDS = 0.005


@dataclass(frozen=True)
class Place:
    """One store, and how it is used."""

    file: Path
    logs: Path
    """Folder, on another disk, in which every client notes what was acknowledged."""
    library: str
    """`apsw` or `sqlite3`."""
    is_owned: bool
    """Whether one process owns the checkpoints; else every client writes them."""
    pause_seconds: float
    """Between two checkpoints of a client."""
    counts: Any
    """Memory that all processes share: each slot's acknowledged commits, each slot's refusals, COLLECTED, LIMIT."""

    def is_collected(self) -> bool:
        """Whether the collector keeps up."""
        return sum(self.counts[:SLOTS]) - self.counts[COLLECTED] < self.counts[LIMIT]

    def prepare(self) -> None:
        """Let this process use the store in that way."""
        checkpoint.LONG_LOG_PAGES = LONG_LOG_PAGES[os.getpid() % 2]
        checkpoint.LARGEST_LOG_PAGES = LARGEST_LOG_PAGES
        if not self.is_owned:
            checkpoint.Ownership.take = lambda _: True  # pyright: ignore[reportAttributeAccessIssue]
            # Noting it would be what they spend their time with.
            Watermark.note = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
        if self.library == "sqlite3":
            use_sqlite3()


SLOTS = 64
COLLECTED, LIMIT = 2 * SLOTS, 2 * SLOTS + 1


def forked(target: Callable[..., object], *arguments: object) -> int:
    """Run the target in a child, which ends with it; return the child's id."""
    if (child := os.fork()) > 0:
        return child
    code = 1
    try:
        target(*arguments)
        code = 0
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # the child must end here, whatever comes
        print(f"{target.__name__}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def commit_until_killed(place: Place, slot: int, name: str) -> None:
    """Count up one state that others change too and one of its own, with a record, again and again.

    A commit that was refused is tried again with the same number: it must not have been done. Of one that may be done,
    the client's own state says whether it is.
    """
    place.prepare()
    store = SqliteOnlineStore(place.file)
    store.has_checkpointer = True
    threading.Thread(target=_checkpoints, args=(place,), daemon=True).start()
    draw = random.Random(name)
    log = os.open(place.logs / f"acknowledged-{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    parent = os.getppid()
    for number in count(1):
        if os.getppid() != parent:
            return
        shared = draw.randrange(SHARED_KEYS)
        record = f"{name} {number} {shared} ".encode()
        record += b"." * draw.choice((RECORD_BYTES[0], RECORD_BYTES[0], RECORD_BYTES[1]))
        attempt = Attempt(name, number, shared, record)
        while not _is_done(store, attempt, place=place, slot=slot):
            if os.getppid() != parent:
                return
        os.write(log, b"%d\n" % number)
        place.counts[slot] += 1
        while not place.is_collected() and os.getppid() == parent:
            time.sleep(RETRY_SECONDS)


@dataclass
class Attempt:
    """One commit of a client, until it is done."""

    name: str
    number: int
    shared: int
    record: bytes
    may_be_done: bool = False
    """Whether a refusal said so."""


def _is_done(store: SqliteOnlineStore, attempt: Attempt, *, place: Place, slot: int) -> bool:
    """Try one commit; False when another client was quicker, or the store refused."""
    keys = [f"shared={attempt.shared}@torture", f"own={attempt.name}@torture"]
    try:
        both, own = store.read(keys)
        if attempt.may_be_done and own.content == b"%012d" % attempt.number:
            return True
        counted = int(both.content or b"0") + 1
        changes = [
            StateChange(keys[0], both.version, b"%012d" % counted),
            StateChange(keys[1], own.version, b"%012d" % attempt.number),
        ]
        return store.commit(changes, [attempt.record])
    except OnlineStoreError as error:
        attempt.may_be_done |= error.may_be_done
        place.counts[SLOTS + slot] += 1
        time.sleep(RETRY_SECONDS)
        return False


def _checkpoints(place: Place) -> None:
    store = SqliteOnlineStore(place.file)
    while True:
        try:
            store.checkpoint()
        except OnlineStoreError:
            time.sleep(RETRY_SECONDS)
        time.sleep(place.pause_seconds)


def collect_until_killed(place: Place) -> None:
    """Write every record to a file elsewhere, then let the store forget it, as the collector does."""
    place.prepare()
    store = SqliteOnlineStore(place.file)
    store.has_checkpointer = True
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            is_any = collect(place, store)
        except OnlineStoreError:
            is_any = False
        time.sleep(0.0 if is_any else 0.02)


def collect(place: Place, store: SqliteOnlineStore) -> bool:
    """Collect a page of records; say whether there was any."""
    page = store.captured(limit=PAGE_RECORDS)
    lines = [f"{int(one.position)} {one.content.decode().rstrip('.')}\n" for one in page]
    with (place.logs / f"collected-{os.getpid()}").open("a", encoding="ascii") as log:
        log.writelines(lines)
    store.forget_captured(page)
    place.counts[COLLECTED] += len(page)
    return bool(page)
