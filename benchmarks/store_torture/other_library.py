"""Lets the store run on Python's own `sqlite3`, and so on the system's SQLite, to show what that one does."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from mlops_assets.core.online_store import sqlite as store_module
from mlops_assets.core.online_store.embedded.library import CACHE_KIB

MMAP_BYTES = 1 << 30


class Sqlite3Connection:
    """A connection of `sqlite3` with those of apsw's methods that the store uses."""

    def __init__(self, file: Path, *, busy_seconds: float) -> None:
        with _as_apsw():
            self._own = sqlite3.connect(
                file, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
            for setting in (
                f"mmap_size = {MMAP_BYTES}",
                "synchronous = NORMAL",
                f"cache_size = -{CACHE_KIB}",
            ):
                self._own.execute(f"PRAGMA {setting}")
            self._own.execute("PRAGMA wal_autocheckpoint = 65536")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._own.in_transaction

    def execute(self, query: str, values: Sequence[Any] = ()) -> "_Rows":
        """Run one statement."""
        with _as_apsw():
            return _Rows(self._own.execute(query, values).fetchall())

    def executemany(self, query: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of the values."""
        with _as_apsw():
            self._own.executemany(query, values)

    def total_changes(self) -> int:
        """Return how many rows were changed so far."""
        return self._own.total_changes

    def set_busy_timeout(self, milliseconds: int) -> None:
        """Wait so long for others."""
        self.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def set_wal_hook(self, hook: Callable[..., int]) -> None:
        """Do nothing: `sqlite3` has no such call, and brings the log in by itself."""

    def close(self, force: bool = False) -> None:
        """Close it."""
        self._own.close()


class _Rows:
    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def use_sqlite3() -> None:
    """Let every store that this process opens from now on run on `sqlite3`."""
    store_module.connect = Sqlite3Connection  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def _as_apsw() -> Iterator[None]:
    """Raise what apsw would."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", apsw.SQLITE_ERROR)
        same = apsw.exception_for(code)
        same.args = (str(error),)
        raise same from error
