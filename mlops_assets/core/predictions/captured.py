"""Moves captured predictions from the online store into a table, each exactly once.

What is in the table already is told by the prediction's id alone. Positions in the store say nothing: a store that was
restored from a backup, or lost its newest commits with the power, gives them again to other records. The store forgets
exactly the records that were read, once their rows are committed. A process that is killed in between leaves records
that the next one finds in the table.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import msgspec
import polars as pl
from deltalake import DeltaTable

from mlops_assets.core.errors import ServingError
from mlops_assets.core.lakehouse.day_range import DayColumn
from mlops_assets.core.lakehouse.scan import scan_table
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo, TableCommit, newest_note, stored_schema
from mlops_assets.core.online_store.protocol import CapturedRecord, OnlineStore
from mlops_assets.core.serving.prediction_record import (
    EARLIER_ID_DIGITS,
    ID_DIGITS,
    PredictionRecord,
    decode_record,
)
from mlops_assets.core.times import UTC_TIME

TABLE = "served_predictions"
SET_ASIDE = "unreadable_predictions"
"""Table of captured records that could not be stored: position in which store, content, reason."""
BLOCK_RECORDS = 50_000
"""Records that are held in memory and committed at once."""
SERVED_DAYS = "event_days"
"""Metadata of a landing: first and last UTC day of the events that it moved, as an ISO 8601 interval."""
STORE_NOTE = "captured_in"
"""Note of a commit: the identity of the store that its rows come from."""
MAXIMUM_TEXT = 500
"""Characters of a reason."""


@dataclass(frozen=True)
class LandingTable:
    """How the product's captured predictions are stored."""

    product: str
    id_column: str
    id_type: pl.DataType
    has_time: bool

    @property
    def day_column(self) -> DayColumn:
        """The partition column: the UTC day of the event, or for a cohort that of the request."""
        return "event_date" if self.has_time else "received_date"

    def fitting(self, stored: DeltaTable) -> Self:
        """The same table with the type of id that is stored: a contract may have changed since."""
        return replace(self, id_type=stored_schema(stored).get(self.id_column, self.id_type))

    def problem(self, record: PredictionRecord) -> str | None:
        """Say why the table cannot hold a record; None when it can."""
        try:
            self.frame([record])
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
            return f"{type(error).__name__}: {error}"[:MAXIMUM_TEXT]
        return None

    def frame(self, records: Sequence[PredictionRecord]) -> pl.DataFrame:
        """Return one row per record, in their order; the columns are those of PredictionRecord.

        `request` is JSON text, with times as microseconds since the epoch. `features` are in the order of the version's
        own feature names; empty when `error` says why there is no score. `feature_view` is the digest of the view that
        they are of, null where that was not recorded.
        """
        columns = {
            "prediction_id": (pl.String(), [record.prediction_id for record in records]),
            self.id_column: (self.id_type, [record.event_id for record in records]),
            "request": (pl.String(), [msgspec.json.encode(record.request).decode() for record in records]),
            "event_timestamp": (UTC_TIME, [record.event_timestamp for record in records]),
            "known_at": (UTC_TIME, [record.known_at for record in records]),
            "received_at": (UTC_TIME, [record.received_at for record in records]),
            "model_version": (pl.Int64(), [record.version for record in records]),
            "feature_view": (pl.String(), [record.feature_view or None for record in records]),
            "role": (pl.String(), [record.role for record in records]),
            "plan_sequence": (pl.Int64(), [record.plan_sequence for record in records]),
            "features": (pl.List(pl.Float64), [record.features for record in records]),
            "score": (pl.Float64(), [record.score for record in records]),
            "threshold": (pl.Float64(), [record.threshold for record in records]),
            "decision": (pl.Int8(), [record.decision for record in records]),
            "latency_seconds": (pl.Float64(), [record.latency_seconds for record in records]),
            "error": (pl.String(), [record.error for record in records]),
        }
        rows = pl.DataFrame([pl.Series(name, values, dtype) for name, (dtype, values) in columns.items()])
        day = pl.col("event_timestamp" if self.has_time else "received_at").dt.date()
        return rows.with_columns(day.alias(self.day_column))


@dataclass(frozen=True)
class CollectedBlock:
    """What one step moved."""

    rows: pl.DataFrame
    """The rows that were added to the table."""
    repeated: int
    """Records that were in the table already: requests that were sent again, or records that an earlier collection
    moved and did not live to forget, or that came back with a backup of the store.
    """
    set_aside: int
    """Records that could not be stored, and are in the table SET_ASIDE now."""
    commit: TableCommit


def collect_captured(
    store: OnlineStore,
    tables: DeltaTables,
    landing: LandingTable,
    *,
    commit: CommitInfo,
    inputs: Callable[[pl.DataFrame], str] | None = None,
    block_records: int = BLOCK_RECORDS,
) -> Iterator[CollectedBlock]:
    """Move everything that the store holds into the table, and yield each block once it is safe; the last one is empty.

    A prediction counts once: of records with the same `prediction_id`, one that has a score and one that has an error
    are kept. Several collectors at once add nothing twice. The table is created even when nothing was captured.

    tables, landing: the lakehouse, and the table in it. commit: what each commit says of its origin. inputs: what it
    says that the rows are made from, by the `position` and `content` of the records that were read. block_records: how
    many are moved in one commit.

    Raises: OnlineStoreError; TableError.
    """
    step = _Step(store, tables, landing, commit, block_records, store.identity(), inputs)
    while True:
        done = tables.append_derived(
            landing.product,
            TABLE,
            step.derive_rows,
            day_column=landing.day_column,
            allow_new_columns=True,
        )
        store.forget_captured(step.captured)
        yield CollectedBlock(step.rows, step.repeated, step.set_aside, done)
        if not step.captured:
            return


@dataclass
class _Step:
    """One reading of the store, made again when another writer's commit came in between."""

    store: OnlineStore
    tables: DeltaTables
    landing: LandingTable
    commit: CommitInfo
    block_records: int
    identity: str
    inputs: Callable[[pl.DataFrame], str] | None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    repeated: int = 0
    set_aside: int = 0
    captured: Sequence[CapturedRecord] = ()
    """Records that this reading found in the store; all are in a table once the rows are."""

    def derive_rows(self, stored: DeltaTable | None) -> tuple[pl.DataFrame, CommitInfo]:
        captured = self.captured = self.store.captured(limit=self.block_records)
        if self.inputs is not None:
            self.commit = replace(self.commit, inputs=self.inputs(_records(captured)))
        read = self._frame(captured, self.landing if stored is None else self.landing.fitting(stored))
        self.rows = _without_repetitions(read, stored, self.landing.day_column)
        self.repeated = read.height - self.rows.height
        return self.rows, replace(self.commit, notes={STORE_NOTE: self.identity})

    def _frame(self, captured: Sequence[CapturedRecord], landing: "LandingTable") -> pl.DataFrame:
        """The rows of the records that the table can hold; the others are set aside before it returns."""
        problems: dict[str, str] = {}
        records = []
        for one in captured:
            try:
                records.append((one, decode_record(one.content)))
            except ServingError as error:
                problems[one.position] = str(error)[:MAXIMUM_TEXT]
        try:
            rows = landing.frame([record for _, record in records])
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            found = {one.position: landing.problem(record) for one, record in records}
            problems |= {position: problem for position, problem in found.items() if problem is not None}
            rows = landing.frame([r for one, r in records if one.position not in problems])
        self.set_aside = len(problems)
        if problems:
            _set_aside(self, [one for one in captured if one.position in problems], problems)
        return rows


def _records(captured: Sequence[CapturedRecord]) -> pl.DataFrame:
    return pl.DataFrame(
        {"position": [one.position for one in captured], "content": [one.content for one in captured]},
        schema={"position": pl.String, "content": pl.Binary},
    )


def _set_aside(step: _Step, captured: Sequence[CapturedRecord], problems: Mapping[str, str]) -> None:
    """Add the records to the table SET_ASIDE, each once, however often it is tried."""
    told = pl.DataFrame(
        {
            "store": [step.identity] * len(captured),
            "position": [one.position for one in captured],
            "content": [one.content.decode(errors="backslashreplace") for one in captured],
            "reason": [problems[one.position] for one in captured],
        }
    )

    def derive(stored: DeltaTable | None) -> tuple[pl.DataFrame, CommitInfo]:
        if stored is None:
            return told, step.commit
        identity = ["store", "position", "content"]
        known = scan_table(stored).select(identity).collect()
        return told.join(known, on=identity, how="anti", maintain_order="left"), step.commit

    step.tables.append_derived(step.landing.product, SET_ASIDE, derive, day_column=None)


def last_store(tables: DeltaTables, product: str) -> str | None:
    """Return the identity of the store that the newest captured rows came from; None when there are none."""
    if not tables.exists(product, TABLE):
        return None
    return newest_note(tables.delta(product, TABLE), STORE_NOTE, where={})


_DIGIT = "[0-9a-f]"
_HAS_EARLIER_ID = pl.col("prediction_id").str.contains(f"-{_DIGIT}{{{EARLIER_ID_DIGITS}}}$")
_LATER_ID = f"^(.*-{_DIGIT}{{{EARLIER_ID_DIGITS}}}){_DIGIT}{{{ID_DIGITS - EARLIER_ID_DIGITS}}}$"


def _without_repetitions(
    rows: pl.DataFrame, stored: DeltaTable | None, day_column: DayColumn
) -> pl.DataFrame:
    """Leave out rows whose prediction is there already; a request that is sent again has the same event day.

    For a cohort it may come on another day, so that all days are looked at.
    """
    is_error = pl.col("error").is_not_null().alias("is_error")
    first = rows.unique(["prediction_id", is_error], keep="first", maintain_order=True).with_columns(is_error)
    if first.is_empty():
        return first.drop("is_error")
    columns = ["prediction_id", "is_error", "request"]
    earlier = [first.select(columns)]
    if stored is not None:
        known = scan_table(stored)
        if day_column == "event_date":
            known = known.filter(
                pl.col(day_column).is_between(first[day_column].min(), first[day_column].max())
            )
        keys = known.select("prediction_id", is_error).collect()
        first = first.join(keys, on=["prediction_id", "is_error"], how="anti", maintain_order="left")
        earlier.append(known.filter(_HAS_EARLIER_ID).select("prediction_id", is_error, "request").collect())
    return _not_under_an_earlier_id(first, pl.concat(earlier).filter(_HAS_EARLIER_ID)).drop("is_error")


def _not_under_an_earlier_id(rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Leave out rows whose request is among `earlier`, where it has the shorter id of its time."""
    if earlier.is_empty():
        return rows
    shorter = (
        pl.col("prediction_id").str.extract(_LATER_ID, 1).alias("earlier_id")
    )  # null for an earlier id itself
    keys = earlier.rename({"prediction_id": "earlier_id"})
    return (
        rows.with_columns(shorter)
        .join(keys, on=["earlier_id", "is_error", "request"], how="anti", maintain_order="left")
        .drop("earlier_id")
    )
