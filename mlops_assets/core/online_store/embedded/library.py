"""The SQLite that the embedded store runs on: which one is sound, how a file is opened, how an error is named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from mlops_assets.core.errors import ConfigurationError

SOUND_SQLITE = (3, 51, 3)
"""The first without the WAL-reset fault, by which a checkpoint beside a commit damages the file and loses commits."""
CACHE_KIB = 131_072
"""Memory that a connection may use for pages, 128 MiB: with SQLite's 2 MiB most are fetched from the log again."""
UNSOUND = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
"""Errors that say that the file is damaged, whoever meets them."""
_ADVICE = {
    "SQLITE_FULL": "free space on its disk; it goes on by itself then",
    "SQLITE_IOERR": "free space on its disk, or look for a failing one; it goes on by itself then",
    "SQLITE_BUSY": "another process held it for more than {busy_seconds:.0f} s; look for one that hangs",
    "SQLITE_READONLY": "let this user write the file and its folder",
    "SQLITE_CANTOPEN": "let this user write the file and its folder",
    "SQLITE_NOTADB": "it is no online store any more: run `mlops store restore {product}`",
    "SQLITE_CORRUPT": "it is damaged: run `mlops store restore {product}`",
}


def sqlite_version() -> str:
    """Return the version of the SQLite that the store runs on: that inside apsw, not Python's."""
    return apsw.sqlite_lib_version()


def require_sound_sqlite() -> None:
    """Refuse a SQLite that can damage the store.

    Raises: ConfigurationError, which says what to install.
    """
    version = sqlite_version()
    if tuple(int(part) for part in version.split(".")[:3]) >= SOUND_SQLITE:
        return
    needed = ".".join(map(str, SOUND_SQLITE))
    raise ConfigurationError(
        f"the online store runs on SQLite {version} (apsw {apsw.apsw_version()}), which can damage its file when "
        f"several processes use it; it takes SQLite {needed} or later: install the wheel of apsw that "
        "deploy/requirements.lock names (pip install --only-binary :all: 'apsw>=3.51.3'), not one that was built "
        "against the system's SQLite"
    )


def connect(file: Path, *, busy_seconds: float) -> apsw.Connection:
    """Open a file that exists; closing the connection leaves its log alone.

    SQLite reads through no memory map: it would be slower here, and a file that becomes shorter would kill the process.
    By itself the last one that closes a store brings the log in and deletes it by its name, also where another file has
    that name by then. An empty file is refused, since SQLite would delete its log.

    Raises: apsw.Error.
    """
    if file.exists() and file.stat().st_size == 0:
        error = apsw.exception_for(apsw.SQLITE_NOTADB)
        error.args = ("the file is empty",)
        raise error
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(busy_seconds * 1000))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.wal_autocheckpoint(0)
    connection.execute("PRAGMA mmap_size = 0").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def rows(connection: apsw.Connection, query: str, values: Sequence[str | int | bytes] = ()) -> list[Any]:
    """Return all rows of a query."""
    return connection.execute(query, values).fetchall()


def value(connection: apsw.Connection, query: str, values: Sequence[str | int | bytes] = ()) -> Any:
    """Return the only value of a query."""
    return rows(connection, query, values)[0][0]


def error_name(error: Exception) -> str:
    """Return SQLite's name of an error, such as SQLITE_IOERR_WRITE; that of a file that cannot be opened for others."""
    code = getattr(error, "extendedresult", None)
    names = (apsw.mapping_extended_result_codes, apsw.mapping_result_codes)
    return next((str(name[code]) for name in names if code in name), "SQLITE_CANTOPEN")


def advice(name: str, *, product: str, busy_seconds: float) -> str:
    """Say what a person is to do about an error of this name in the product's store."""
    told = next((text for code, text in _ADVICE.items() if name.startswith(code)), "see SQLite's message")
    return told.format(product=product, busy_seconds=busy_seconds)
