"""Copies of an embedded store's file as SQLite makes them, while the store is in use."""

from contextlib import closing
from pathlib import Path

import apsw


def copied(source: Path, target: Path) -> Path:
    """Put what `source` holds, its log included, into `target`.

    With the store's own SQLite: two of them in one process would not see each other's locks.
    """
    with (
        closing(apsw.Connection(str(source))) as read,
        closing(apsw.Connection(str(target))) as written,
        written.backup("main", read, "main") as backup,
    ):
        while not backup.done:
            backup.step()
    return target
