"""One write to a Delta table: what it would change, whether it fits, and its commit; and the retries after a
lost race.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import polars as pl
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from mlops_assets.core.contracts.schema_difference import schema_difference
from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange
from mlops_assets.core.lakehouse.scan import scan_table

logger = logging.getLogger(__name__)

MAXIMUM_ATTEMPTS = 10
"""How often a commit that lost a race is tried before the write gives up."""

_WITHOUT_DICTIONARY = (pl.Float64, pl.Int64, pl.UInt64, pl.Datetime)
RESTATES = "restates"
"""Note of a commit that writes no row: the version whose rows it says something about."""
_MAINTENANCE = frozenset({"VACUUM START", "VACUUM END", "OPTIMIZE"})


class LostRaceError(Exception):
    """Another writer created the table between our look and our commit; the write is tried again."""


@dataclass(frozen=True)
class CommitInfo:
    """Who wrote a commit; stored in the Delta log."""

    run_id: str
    code_version: str | None = None
    """Of an asset's table the digest of the code that computed it; None where the rows state facts."""
    inputs: str | None = None
    """Names and versions of the tables that were read, as text."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What else the writer wants to find in this commit again."""

    def properties(self, *, days: DayRange | None = None, retries: int | None = None) -> CommitProperties:
        """Return the commit's custom metadata, without keys that have no value, and its retries (None:
        deltalake's).
        """
        entries = {
            "run_id": self.run_id,
            "code_version": self.code_version,
            "inputs": self.inputs,
            "days": days.interval() if days else None,
            **self.notes,
        }
        return CommitProperties(
            custom_metadata={key: value for key, value in entries.items() if value is not None},
            max_commit_retries=retries,
        )


@dataclass(frozen=True)
class TableCommit:
    """What a write did."""

    version: int
    """The version that last changed these days (or the table): as long as it stays, so do the rows."""
    rows: int
    """Rows that the write was given."""
    changed: bool
    """Whether rows were written; false when they were stored already."""
    restated: bool = False
    """Whether a commit without rows says what the stored rows are made from."""


@dataclass(frozen=True)
class Replacement:
    """One intended write; it looks at the stored table afresh in every attempt."""

    subject: str
    rows: pl.DataFrame
    days: DayRange | None
    commit: CommitInfo
    allow_new_columns: bool = False

    def apply(self, stored: DeltaTable) -> TableCommit:
        """Commit on top of the version that `stored` was opened at, unless it holds these rows already.

        Raises: TableError when the rows do not fit; CommitFailedError when another writer changed the range
        since.
        """
        self._require_partitioning(stored)
        covers = self._covers(stored)
        if not covers:
            self._require_fitting_schema(stored)
        if self._is_stored(stored):
            version = data_version(stored, self.days)
            restates = self.commit.inputs not in (None, last_write(stored, self.days).get("inputs"))
            if restates:
                self._restate(stored, version)
            return TableCommit(version, self.rows.height, changed=False, restated=restates)
        differs = bool(schema_difference(self.rows.schema, stored_schema(stored)))
        overwrites_schema = covers and differs
        whole = self.days is None or overwrites_schema
        write_deltalake(
            stored,
            self.rows,
            mode="overwrite",
            predicate=None if whole or self.days is None else self.days.predicate(),
            schema_mode="overwrite" if overwrites_schema else "merge" if differs else None,
            partition_by=self.partition_by,
            writer_properties=file_format(self.rows.schema),
            # Without a predicate deltalake keeps files that another writer added meanwhile: a mix of two.
            commit_properties=self.commit.properties(days=self.days, retries=0 if whole else None),
        )
        return TableCommit(stored.version(), self.rows.height, changed=True)

    def _restate(self, stored: DeltaTable, version: int) -> None:
        """State in a commit without files that the stored rows are the result of this write's inputs, too."""
        commit = replace(self.commit, notes={**self.commit.notes, RESTATES: str(version)})
        stored.create_write_transaction(
            [],
            mode="append",
            schema=stored.schema(),
            partition_by=self.partition_by or None,
            commit_properties=commit.properties(days=self.days, retries=0),
        )

    @property
    def partition_by(self) -> list[str]:
        """The day column, or nothing for a table that is replaced as a whole."""
        return [self.days.column] if self.days else []

    def sorted_by_day(self) -> Self:
        """The same write with rows sorted by day: deltalake writes 1.75 million rows of 183 days ten times
        faster so. Rows that are sorted already are not copied.
        """
        if self.days is None or self.rows[self.days.column].is_sorted():
            return self
        return replace(self, rows=self.rows.sort(self.partition_by, maintain_order=True))

    def require_days(self) -> None:
        """Raise TableError when a row lies outside the days that are replaced."""
        if self.days is None:
            return
        column = self.days.column
        if self.rows.schema.get(column) != pl.Date:
            raise TableError(
                f"{self.subject}: rows of {self.days} need a column {column} of type Date, "
                f"found {self.rows.schema.get(column)}"
            )
        outside = self.rows.filter(~self.days.contains().fill_null(value=False))
        if outside.height:
            raise TableError(
                f"{self.subject}: {outside.height} of {self.rows.height} rows lie outside {self.days}, "
                f"for example {column} {outside[column][0]}; a write touches no day but its own"
            )

    def _covers(self, stored: DeltaTable) -> bool:
        if self.days is None:
            return True
        days = stored_days(stored, self.days.column)
        return bool(days.select(self.days.contains().fill_null(value=False).all()).item())

    def _require_partitioning(self, stored: DeltaTable) -> None:
        partitioned_by = stored.metadata().partition_columns
        if partitioned_by != self.partition_by:
            raise TableError(
                f"{self.subject} is partitioned by {', '.join(partitioned_by) or 'nothing'}, but the write "
                f"replaces {self.days or 'the whole table'}: a table keeps its first partitioning"
            )

    def _require_fitting_schema(self, stored: DeltaTable) -> None:
        difference = schema_difference(self.rows.schema, stored_schema(stored))
        if difference.missing or difference.retyped or (difference.new and not self.allow_new_columns):
            raise TableError(
                f"{self.subject}: the rows of {self.days} do not fit the stored columns:\n"
                f"{difference.describe()}\n"
                "Rows of other days stay, so their columns must too: write all stored days in one run to "
                "change columns, or allow new columns, which are null in the days that were written before."
            )

    def _is_stored(self, stored: DeltaTable) -> bool:
        if schema_difference(self.rows.schema, stored_schema(stored)):
            return False
        rows = stored_rows(stored, self.days, subject=self.subject)
        if rows.select(pl.len()).collect().item() != self.rows.height:
            return False
        columns = self.rows.columns
        return _row_hashes(rows, columns).equals(_row_hashes(self.rows.lazy(), columns))


def file_format(schema: Mapping[str, pl.DataType]) -> WriterProperties:
    """How data files are written: Zstandard's fastest level, and no dictionaries of numbers and times of eight bytes.

    deltalake builds a dictionary of every column, and gives it up when it grows large. Over the five large tables of
    half a year of transactions this takes a third less processor time than its defaults, and a third less disk.
    """
    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        column_properties={
            name: plain for name, dtype in schema.items() if dtype.base_type() in _WITHOUT_DICTIONARY
        },
    )


def append_rows(
    stored: DeltaTable,
    rows: pl.DataFrame,
    *,
    subject: str,
    commit: CommitInfo,
    retries: int | None = None,
    allow_new_columns: bool = False,
) -> TableCommit:
    """Add rows in one commit; an empty frame writes nothing.

    subject: what messages speak of. commit: what the commit says of its origin. allow_new_columns: whether columns may
    be added, which are null in the rows that are there.

    Raises: TableError when the columns differ from the stored ones; CommitFailedError when there were other commits
    since `stored` was opened, more often than `retries` (None: deltalake's).
    """
    difference = schema_difference(rows.schema, stored_schema(stored))
    if difference.missing or difference.retyped or (difference.new and not allow_new_columns):
        raise TableError(f"{subject}: appended rows do not fit the stored columns:\n{difference.describe()}")
    if rows.is_empty():
        return TableCommit(data_version(stored, None), 0, changed=False)
    write_deltalake(
        stored,
        rows,
        mode="append",
        schema_mode="merge" if difference.new else None,
        writer_properties=file_format(rows.schema),
        commit_properties=commit.properties(retries=retries),
    )
    return TableCommit(stored.version(), rows.height, changed=True)


def newest_note(stored: DeltaTable, name: str, *, where: Mapping[str, str]) -> str | None:
    """Return the note `name` of the newest commit that carries it and the notes `where`; None without such a commit."""
    for limit in (1, 100, None):
        for entry in stored.history(limit):
            if name in entry and all(entry.get(key) == value for key, value in where.items()):
                return entry[name]
    return None


def with_retries(subject: str, attempt: Callable[[], TableCommit]) -> TableCommit:
    """Call `attempt` until its commit wins, at most MAXIMUM_ATTEMPTS times; each attempt looks at the table
    anew.

    Raises: TableError when other writers won every time.
    """
    number = 1
    while True:
        try:
            return attempt()
        except (CommitFailedError, LostRaceError) as error:
            if number == MAXIMUM_ATTEMPTS:
                raise TableError(
                    f"{subject}: {number} commits in a row lost against other writers of the same rows; "
                    "let one writer work at a time, then try again"
                ) from error
            logger.info("%s: commit %d lost against another writer, trying again", subject, number)
            number += 1


def stored_rows(stored: DeltaTable, days: DayRange | None, *, subject: str) -> pl.LazyFrame:
    """Lazily read the opened version, or `days` of it.

    Raises: TableError when the table is not partitioned by the day column of `days`.
    """
    rows = scan_table(stored)
    if days is None:
        return rows
    if days.column not in stored.metadata().partition_columns:
        raise TableError(f"{subject} is not partitioned by {days.column}, so it has no {days}")
    return rows.filter(days.contains())


def stored_schema(stored: DeltaTable) -> dict[str, pl.DataType]:
    """Column names and Polars types of the opened version, in stored order."""
    return dict(pl.scan_delta(stored).collect_schema())


def stored_days(stored: DeltaTable, column: DayColumn) -> pl.DataFrame:
    """One row per stored day, in order: the day column and `rows`; from the log alone, no data file is
    read.
    """
    files = pl.DataFrame(stored.get_add_actions(flatten=True))
    return (
        files.select(pl.col(f"partition.{column}").alias(column), pl.col("num_records").alias("rows"))
        .group_by(column)
        .agg(pl.col("rows").sum())
        .filter(pl.col("rows") > 0)
        .sort(column)
    )


def data_version(stored: DeltaTable, days: DayRange | None) -> int:
    """The newest version that changed a row of `days` (None: any row); a vacuum changes none.

    Days that never had a row are as they were when the table was created.
    """
    version = 0
    for limit in (1, 100, None):
        for entry in stored.history(limit):
            if entry["operation"] in _MAINTENANCE or RESTATES in entry:
                continue
            version = entry["version"]
            if _touches(entry.get("days"), days):
                return version
    return version


def last_write(stored: DeltaTable, days: DayRange | None = None) -> dict[str, Any]:
    """Return the newest entry of the log that wrote rows of `days` (None: any), or restated what they are made from."""
    for limit in (1, 100, None):
        for entry in stored.history(limit):
            if entry["operation"] not in _MAINTENANCE and _touches(entry.get("days"), days):
                return entry
    return {}


def _touches(interval: str | None, days: DayRange | None) -> bool:
    return days is None or interval is None or days.overlaps(interval)


def _row_hashes(rows: pl.LazyFrame, columns: list[str]) -> pl.Series:
    """64-bit hashes of the rows, sorted: two sets of rows differ unnoticed with a chance of 2^-64 per
    changed row.
    """
    return rows.select(pl.struct(columns).hash(seed=0).sort().alias("hash")).collect()["hash"]
