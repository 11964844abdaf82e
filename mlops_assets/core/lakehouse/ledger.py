"""A small append-only table that many may write: read whole, extended by compare-and-set on its Delta version.

Only deltalake is loaded, so that a command that changes one row takes a fraction of a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.location import KEPT_LOG, local_folder

if TYPE_CHECKING:
    from arro3.core import Table as ArrowTable
    from deltalake import DeltaTable

ColumnType = Literal["integer", "text", "time"]
"""64-bit integer; UTF-8; microseconds in UTC."""
Row = Mapping[str, object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOKS_BETWEEN_OPENINGS = 60
"""A remote table is opened anew after so many looks: a look at its log alone does not see that it was replaced."""


@dataclass(frozen=True)
class LedgerState:
    """All rows at one version of the table."""

    rows: tuple[Row, ...]
    """In the order in which they were added."""
    version: int | None
    """Delta version; None when the table was never written."""
    table_id: str | None = None
    """Delta's identity of the table, which another table at the same place does not have."""


NEVER_WRITTEN = LedgerState((), None)


@dataclass
class Ledger:
    """The table at `uri`; the first of `columns` numbers the rows from 1.

    Every commit writes all rows as one file, so that a reader opens one file however long the history is. The files of
    earlier versions are let go by the retention of tables. An object is used by one thread.
    """

    uri: str
    columns: Mapping[str, ColumnType]
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    _opened: "DeltaTable | None" = field(default=None, init=False, repr=False)
    _looks: int = field(default=0, init=False, repr=False)
    _known: tuple[LedgerState, tuple[int, int, int] | None] | None = field(
        default=None, init=False, repr=False
    )

    def read(self) -> LedgerState:
        """Return the newest rows; what is unchanged since the last call is not read again.

        Raises: TableError when the store does not answer, or the table cannot be read.
        """
        if self._known is not None and self._is_unchanged(*self._known):
            return self._known[0]
        opened = self._open()
        if opened is None:
            self._known = None
            return NEVER_WRITTEN
        state = LedgerState(self._rows(opened), opened.version(), str(opened.metadata().id))
        self._known = (state, _file_state(self._commit_file(opened.version())))
        return state

    def extend(self, state: LedgerState, rows: Sequence[Row], *, notes: Mapping[str, str]) -> bool:
        """Add rows to what `state` holds, in one commit, if nothing was committed since; tell whether that was done.

        `notes` are stored with the commit. A store that answered with an error may have taken the commit all the same:
        the table is read again, and what is there counts.

        Raises: TableError when the store does not answer.
        """
        from deltalake.exceptions import DeltaError

        wanted = (*state.rows, *rows)
        try:
            self._commit(state, wanted, notes)
        except (DeltaError, OSError) as error:
            found = self._read_anew()
            if found.rows[: len(wanted)] == wanted:
                return True
            if found.version == state.version:
                raise TableError(f"{self.uri} cannot be written: {error}") from error
            return False
        return True

    def _commit(self, state: LedgerState, rows: Sequence[Row], notes: Mapping[str, str]) -> None:
        from deltalake import CommitProperties, DeltaTable, write_deltalake

        # A retry would put these rows over those of the writer that came between.
        properties = CommitProperties(custom_metadata=dict(notes), max_commit_retries=0)
        options = dict(self.storage_options)
        content = _arrow(rows, self.columns)
        if state.version is None:
            write_deltalake(
                self.uri,
                content,
                mode="error",
                configuration=KEPT_LOG,
                storage_options=options,
                commit_properties=properties,
            )
        else:
            based_on = DeltaTable(self.uri, version=state.version, storage_options=options)
            write_deltalake(based_on, content, mode="overwrite", commit_properties=properties)

    def _read_anew(self) -> LedgerState:
        self._known = self._opened = None
        return self.read()

    def _open(self) -> "DeltaTable | None":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        self._looks += 1
        try:
            if self._opened is not None and not self._is_local and self._looks % LOOKS_BETWEEN_OPENINGS:
                self._opened.update_incremental()
            else:
                self._opened = DeltaTable(self.uri, storage_options=dict(self.storage_options))
        except TableNotFoundError:
            self._opened = None
        except (DeltaError, OSError) as error:
            self._opened = None
            raise TableError(
                f"{self.uri} cannot be opened; check MLOPS_TABLES_URI and the credentials in the environment: {error}"
            ) from error
        return self._opened

    @property
    def _is_local(self) -> bool:
        return local_folder(self.uri) is not None

    def _is_unchanged(self, state: LedgerState, commit_file: tuple[int, int, int] | None) -> bool:
        """Tell it from the names in a local log alone: a follower asks twice a second."""
        if not self._is_local or state.version is None or commit_file is None:
            return False
        return (
            _file_state(self._commit_file(state.version)) == commit_file
            and not self._commit_file(state.version + 1).exists()
        )

    def _commit_file(self, version: int) -> Path:
        return (local_folder(self.uri) or Path()) / "_delta_log" / f"{version:020d}.json"

    def _rows(self, opened: "DeltaTable") -> tuple[Row, ...]:
        if self._known is not None:
            known, _ = self._known
            if (known.version, known.table_id) == (opened.version(), str(opened.metadata().id)):
                return known.rows
        names = [field.name for field in opened.schema().fields]
        missing = [name for name in self.columns if name not in names]
        if missing:
            raise TableError(f"{self.uri} has no column {', '.join(missing)}: it was written by other code")
        first = next(iter(self.columns))
        rows = sorted(_query(opened, list(self.columns)), key=lambda row: row[first])  # pyright: ignore[reportArgumentType, reportCallIssue]
        if [row[first] for row in rows] != list(range(1, len(rows) + 1)):
            raise TableError(f"{self.uri}: {first} does not count its {len(rows)} rows: it was edited")
        return tuple(rows)


def stored_column(uri: str, column: str, *, storage_options: Mapping[str, str]) -> list[str]:
    """Return a text column of a table, in no particular order; empty when the table was never written.

    Raises: TableError when the store does not answer.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        opened = DeltaTable(uri, storage_options=dict(storage_options))
    except TableNotFoundError:
        return []
    except (DeltaError, OSError) as error:
        raise TableError(f"{uri} cannot be opened: {error}") from error
    return [str(row[column]) for row in _query(opened, [column])]


def _query(opened: "DeltaTable", columns: Sequence[str]) -> list[Row]:
    """Return columns of an opened table as rows, in no particular order; times carry UTC."""
    from deltalake import QueryBuilder

    named = ", ".join(f'"{name}"' for name in columns)
    try:
        found = QueryBuilder().register("stored", opened).execute(f"SELECT {named} FROM stored").read_all()  # noqa: S608 - our own columns
    except Exception as error:  # deltalake's query engine raises no class of its own
        raise TableError(f"{opened.table_uri} cannot be read: {error}") from error
    values = [[_in_utc(value) for value in column.to_pylist()] for column in found.columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _arrow(rows: Sequence[Row], columns: Mapping[str, ColumnType]) -> "ArrowTable":
    from arro3.core import Array, DataType, Field, Schema, Table

    types = {
        "integer": DataType.int64(),
        "text": DataType.utf8(),
        "time": DataType.timestamp("us", tz="UTC"),
    }
    arrays = [
        Array([_microseconds(row[name]) for row in rows], DataType.int64()).cast(types[kind])
        if kind == "time"
        else Array([row[name] for row in rows], types[kind])
        for name, kind in columns.items()
    ]
    schema = Schema([Field(name, types[kind], nullable=True) for name, kind in columns.items()])
    return Table.from_arrays(arrays, schema=schema)


def _microseconds(value: object) -> int | None:
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else None


def _file_state(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
