"""The registry's tags in MLflow's own SQLite database, read by SQL.

Used only where the tables have the columns that this module knows; nothing is written here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tags import RegisteredEntry, RegistryEntry

_BUSY_SECONDS = 20.0
_WORKSPACE = "default"
_DELETED = "Deleted_Internal"  # the stage of a version that MLflow shows no more
_KNOWN_COLUMNS = {
    "registered_model_tags": {"key", "value", "name", "workspace"},
    "model_version_tags": {"key", "value", "name", "version", "workspace"},
    "registered_model_aliases": {"alias", "version", "name", "workspace"},
}
_VERSION_COLUMNS = {"name", "version", "creation_time", "source", "run_id", "current_stage", "workspace"}

_SELECT_TAGS = "SELECT key, value FROM registered_model_tags WHERE workspace = ? AND name = ?"
_SELECT_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE workspace = ? AND name = ?"
_SELECT_VERSIONS = """
SELECT version FROM model_versions WHERE workspace = ? AND name = ? AND current_stage IS NOT ? ORDER BY version
"""
_SELECT_VERSION = """
SELECT run_id, source, creation_time FROM model_versions
WHERE workspace = ? AND name = ? AND current_stage IS NOT ? AND version = ?
"""
_SELECT_VERSION_TAGS = """
SELECT key, value FROM model_version_tags WHERE workspace = ? AND name = ? AND version = ?
"""


@dataclass(frozen=True)
class SqliteRegistryTags:
    """The registry in `file`; a connection per call, since calls are rare and come from several threads."""

    file: Path

    def is_known_schema(self) -> bool:
        """Tell whether MLflow's tables have exactly the columns that are known here."""
        with self._connected() as connection:
            found = {table: _columns(connection, table) for table in _KNOWN_COLUMNS}
            return found == _KNOWN_COLUMNS and _columns(connection, "model_versions") >= _VERSION_COLUMNS

    def model(self, product: str) -> RegisteredEntry:
        """See `RegistryTags.model`."""
        with self._connected() as connection:
            tags = connection.execute(_SELECT_TAGS, (_WORKSPACE, product)).fetchall()
            aliases = connection.execute(_SELECT_ALIASES, (_WORKSPACE, product)).fetchall()
        return RegisteredEntry(dict(tags), dict(aliases))

    def versions(self, product: str) -> tuple[int, ...]:
        """See `RegistryTags.versions`."""
        with self._connected() as connection:
            rows = connection.execute(_SELECT_VERSIONS, (_WORKSPACE, product, _DELETED)).fetchall()
        return tuple(number for (number,) in rows)

    def version(self, product: str, version: int) -> RegistryEntry | None:
        """See `RegistryTags.version`."""
        with self._connected() as connection:
            row = connection.execute(_SELECT_VERSION, (_WORKSPACE, product, _DELETED, version)).fetchone()
            if row is None:
                return None
            tags = connection.execute(_SELECT_VERSION_TAGS, (_WORKSPACE, product, version)).fetchall()
        return RegistryEntry(
            version=version,
            run_id=row[0] or "",
            model_uri=row[1] or "",
            created_at=datetime.fromtimestamp(row[2] / 1000, UTC),
            tags=dict(tags),
        )

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block is read from one state of the database."""
        try:
            connection = sqlite3.connect(
                f"{self.file.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
            )
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise RegistryError(f"the registry in {self.file} does not answer: {error}") from error


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
