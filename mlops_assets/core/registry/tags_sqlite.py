"""The registry's tags in MLflow's own SQLite database, by SQL.

Used only where the tables are those that this module knows, and by people and jobs on the machine that holds the
file.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tags import RegistryChange, RegistryEntry

_SCHEME = "sqlite:///"
_BUSY_SECONDS = 20.0
_WORKSPACE = "default"
_KNOWN_COLUMNS = {
    "registered_model_tags": {"key", "value", "name", "workspace"},
    "model_version_tags": {"key", "value", "name", "version", "workspace"},
    "registered_model_aliases": {"alias", "version", "name", "workspace"},
}
_VERSION_COLUMNS = {"name", "version", "creation_time", "source", "run_id", "workspace"}

_SELECT_VERSION = """
SELECT run_id, source, creation_time FROM model_versions WHERE workspace = ? AND name = ? AND version = ?
"""
_SELECT_VERSION_TAGS = """
SELECT key, value FROM model_version_tags WHERE workspace = ? AND name = ? AND version = ?
"""
_SELECT_ALIASES = """
SELECT alias FROM registered_model_aliases WHERE workspace = ? AND name = ? AND version = ? ORDER BY alias
"""


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the database file of a tracking URI; None when it is no plain SQLite file."""
    path = tracking_uri.removeprefix(_SCHEME)
    if path == tracking_uri or not path or "?" in path or path == ":memory:":
        return None
    return Path(path)


@dataclass(frozen=True)
class SqliteRegistryTags:
    """The registry in `file`; a connection per call, since calls are rare and come from several threads."""

    file: Path

    def is_known_schema(self) -> bool:
        """Tell whether MLflow's tables have exactly the columns that are read and written here."""
        with self._connected() as connection:
            found = {table: _columns(connection, table) for table in _KNOWN_COLUMNS}
            return found == _KNOWN_COLUMNS and _columns(connection, "model_versions") >= _VERSION_COLUMNS

    def model_tags(self, product: str) -> Mapping[str, str]:
        """See `RegistryTags.model_tags`."""
        with self._connected() as connection:
            return _model_tags(connection, product)

    def version(self, product: str, version: int) -> RegistryEntry | None:
        """See `RegistryTags.version`."""
        key = (_WORKSPACE, product, version)
        with self._connected() as connection:
            connection.execute("BEGIN")
            row = connection.execute(_SELECT_VERSION, key).fetchone()
            if row is None:
                return None
            tags = connection.execute(_SELECT_VERSION_TAGS, key).fetchall()
            aliases = connection.execute(_SELECT_ALIASES, key).fetchall()
        return RegistryEntry(
            version=version,
            run_id=row[0] or "",
            model_uri=row[1] or "",
            created_at=datetime.fromtimestamp(row[2] / 1000, UTC),
            aliases=tuple(alias for (alias,) in aliases),
            tags=dict(tags),
        )

    def newest_version(self, product: str) -> int | None:
        """See `RegistryTags.newest_version`."""
        with self._connected() as connection:
            return connection.execute(
                "SELECT MAX(version) FROM model_versions WHERE workspace = ? AND name = ?",
                (_WORKSPACE, product),
            ).fetchone()[0]

    def change(self, product: str, change: RegistryChange) -> bool:
        """See `RegistryTags.change`: one transaction, which no other writer comes between."""
        name, expected = change.guard
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if _model_tags(connection, product).get(name) != expected:
                return False
            _write_tags(connection, product, change)
            _write_aliases(connection, product, change.aliases)
            connection.execute("COMMIT")
        return True

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(
                f"{self.file.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
            )
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
            finally:
                connection.close()  # an open transaction is rolled back
        except sqlite3.Error as error:
            raise RegistryError(f"the registry in {self.file} does not answer: {error}") from error


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _model_tags(connection: sqlite3.Connection, product: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT key, value FROM registered_model_tags WHERE workspace = ? AND name = ?", (_WORKSPACE, product)
    )
    return dict(rows.fetchall())


def _write_tags(connection: sqlite3.Connection, product: str, change: RegistryChange) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO model_version_tags (workspace, name, version, key, value) VALUES (?, ?, ?, ?, ?)",
        [
            (_WORKSPACE, product, version, key, value)
            for version, tags in change.version_tags.items()
            for key, value in tags.items()
        ],
    )
    for key, value in change.model_tags.items():
        if value is None:
            connection.execute(
                "DELETE FROM registered_model_tags WHERE workspace = ? AND name = ? AND key = ?",
                (_WORKSPACE, product, key),
            )
        else:
            connection.execute(
                "INSERT OR REPLACE INTO registered_model_tags (workspace, name, key, value) VALUES (?, ?, ?, ?)",
                (_WORKSPACE, product, key, value),
            )


def _write_aliases(connection: sqlite3.Connection, product: str, aliases: Mapping[str, int | None]) -> None:
    for alias, version in aliases.items():
        if version is None:
            connection.execute(
                "DELETE FROM registered_model_aliases WHERE workspace = ? AND name = ? AND alias = ?",
                (_WORKSPACE, product, alias),
            )
        else:
            connection.execute(
                "INSERT OR REPLACE INTO registered_model_aliases (workspace, name, alias, version) VALUES (?, ?, ?, ?)",
                (_WORKSPACE, product, alias, version),
            )
