"""A product's data contract, a Pandera model: does a frame have its columns, and which rows break it, and
why.

The contract speaks of the source's columns. `event_date`, the UTC day that partitions a table, is the
platform's own: no contract declares it, `with_event_date` adds it, and every function here lets it pass
beside a strict schema. A field says more in its metadata: {"unit": "USD", "null_means": "not measured",
"outcome": True, "pii": True}.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.event_identity import event_keys, repeated_rows
from mlops_assets.core.contracts.lossless import cast_rows
from mlops_assets.core.contracts.row_failures import (
    RowFailure,
    broken_rows,
    check_text,
    find_failures,
    reject,
    summarise,
    without_second_reasons,
)
from mlops_assets.core.contracts.schema_difference import schema_difference
from mlops_assets.core.contracts.time_of_knowledge import KnownTimes
from mlops_assets.core.contracts.unreadable import UNREADABLE, unreadable_values, with_unreadable
from mlops_assets.core.errors import ContractError, SchemaDriftError

PLATFORM_COLUMNS = ("event_date", UNREADABLE)
"""Columns that the platform adds to a source's own; a contract must not declare them."""


@dataclass(frozen=True)
class ColumnDoc:
    """What the contract says about one column."""

    name: str
    dtype: str
    is_nullable: bool
    description: str
    unit: str
    null_means: str
    checks: tuple[str, ...]
    is_outcome: bool
    is_pii: bool


@dataclass(frozen=True)
class ContractResult:
    """A frame, divided by its contract; accepted and rejected rows keep their order."""

    accepted: pl.DataFrame
    """Rows that meet the contract, in its types and order of columns."""
    rejected: pl.DataFrame
    """Rows that break it, with the same columns and `reasons`: a sorted list of texts, every reason of the
    row.
    """
    summary: pl.DataFrame
    """One row per broken check: column ("" for a check over rows), check, rows, example; most rows first."""


def describe_columns(schema: type[pa.DataFrameModel]) -> tuple[ColumnDoc, ...]:
    """Describe every column of the contract, in its order, for the table schema in the UI and the model
    card.
    """
    documents = []
    for name, column in schema.to_schema().columns.items():
        metadata = column.metadata or {}
        checks = ["unique"] if column.unique else []
        documents.append(
            ColumnDoc(
                name=name,
                dtype=str(polars_type(column)),
                is_nullable=column.nullable,
                description=column.description or "",
                unit=str(metadata.get("unit", "")),
                null_means=str(metadata.get("null_means", "")),
                checks=tuple(checks + [check_text(check) for check in column.checks]),
                is_outcome=bool(metadata.get("outcome", False)),
                is_pii=bool(metadata.get("pii", False)),
            )
        )
    return tuple(documents)


def event_columns(schema: type[pa.DataFrameModel]) -> tuple[str, ...]:
    """Names of the columns that may leave `raw_events`: all but those with metadata {"outcome": True}."""
    return tuple(column.name for column in describe_columns(schema) if not column.is_outcome)


def column_type(schema: type[pa.DataFrameModel], name: str) -> pl.DataType | None:
    """Type that the contract gives a column; None when it leaves the type open.

    Raises: ContractError when the contract has no such column.
    """
    columns = schema.to_schema().columns
    if name not in columns:
        raise ContractError(
            f"the contract {schema.__name__} has no column {name}; it has {', '.join(columns)}"
        )
    return polars_type(columns[name])


def with_event_date(frame: pl.DataFrame, *, undated: date | None = None) -> pl.DataFrame:
    """Add `event_date`, the UTC day of `event_timestamp`; rows without a timestamp get the day `undated`.

    Raises: ContractError when timestamps are missing and no day is given for them.
    """
    day = pl.col("event_timestamp").dt.convert_time_zone("UTC").dt.date().alias("event_date")
    dated = frame.with_columns(day)
    missing = dated["event_date"].null_count()
    if not missing:
        return dated
    if undated is None:
        raise ContractError(
            f"event_timestamp is null in {missing} of {frame.height} rows, which therefore belong to no day; "
            "mend the source, or say which day they are to be rejected under"
        )
    return dated.with_columns(pl.col("event_date").fill_null(undated))


def with_known_date(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `known_date`, the UTC day of `known_at`.

    Raises: ContractError when a row does not say when it became known.
    """
    missing = frame["known_at"].null_count()
    if missing:
        raise ContractError(
            f"known_at is null in {missing} of {frame.height} rows: an outcome of which nobody says when it "
            "became known cannot be used; mend the source"
        )
    return frame.with_columns(pl.col("known_at").dt.convert_time_zone("UTC").dt.date().alias("known_date"))


def conform(frame: pl.DataFrame, schema: type[pa.DataFrameModel], *, subject: str) -> pl.DataFrame:
    """Return the contract's columns in its order and types, then the platform's; see `lossless` for what is cast.

    A value that its column's type does not hold becomes null, and is told in `unreadable`: `apply_contract` rejects its
    row. So a row that cannot be read does not keep its neighbours away.
    Raises: SchemaDriftError listing new, missing and retyped columns.
    """
    columns = schema.to_schema().columns
    reserved = [name for name in PLATFORM_COLUMNS if name in columns]
    if reserved:
        raise ContractError(
            f"{subject}: {', '.join(reserved)} is the platform's own; the contract must not declare it"
        )
    expected = {
        name: polars_type(column) or frame.schema.get(name, pl.Null()) for name, column in columns.items()
    }
    present = {
        name: dtype for name, dtype in expected.items() if name in frame.columns or columns[name].required
    }
    casts = {name: cast_rows(frame[name], dtype) for name, dtype in present.items() if name in frame.columns}
    conformed = frame.with_columns(cast.values for cast in casts.values() if cast is not None)
    found = {name: dtype for name, dtype in conformed.schema.items() if name not in PLATFORM_COLUMNS}
    difference = schema_difference(found, present)
    if difference:
        raise SchemaDriftError(
            f"{subject}: the columns differ from the contract {schema.__name__}:\n{difference.describe()}\n"
            "If the source changed on purpose, change the contract and reprocess; otherwise mend the source."
        )
    lost = {name: cast.lost for name, cast in casts.items() if cast is not None and cast.lost.any()}
    conformed = with_unreadable(conformed, {name: (frame[name], mask) for name, mask in lost.items()})
    return conformed.select([*present, *(name for name in PLATFORM_COLUMNS if name in conformed.columns)])


def apply_contract(
    frame: pl.DataFrame, schema: type[pa.DataFrameModel], *, id_column: str, subject: str
) -> ContractResult:
    """Divide a frame into rows that meet the contract and rows that break it, with every reason.

    A value that could not be read is broken, and so is NaN or an infinite number, also where null is allowed. Rows that
    break nothing else are then told apart by `identity`: of the same id, and of other unique columns, one event stays.
    Raises: SchemaDriftError when columns or types differ; ContractError when a check fails for the frame as a
    whole, or could not run.
    """
    judged = judge_rows(frame, schema, subject=subject)
    keys = event_keys(schema, id_column=id_column, columns=judged.rows.columns)
    return judged.divided(repeated_rows(judged.sound(), keys))


@dataclass(frozen=True)
class JudgedRows:
    """Rows with all that they break by themselves; which of them repeat another is still to be told."""

    rows: pl.DataFrame
    failures: list[RowFailure]
    hidden: tuple[str, ...]
    """Columns of which no example is shown."""

    @property
    def is_sound(self) -> pl.Series:
        """Per row, whether it breaks nothing by itself."""
        return ~broken_rows(self.failures, height=self.rows.height)

    def sound(self) -> pl.DataFrame:
        """The rows that break nothing by themselves, in their order."""
        return self.rows.filter(self.is_sound)

    def divided(self, repeated: Sequence[RowFailure]) -> ContractResult:
        """Divide the rows; `repeated` are failures of identity, with a mask over the sound rows."""
        places = pl.arg_where(self.is_sound, eager=True)
        none = pl.Series("broken", [False]).new_from_index(0, self.rows.height)
        spread = [
            replace(one, broken=none.clone().scatter(places.filter(one.broken), True))
            for one in repeated
            if one.broken.any()
        ]
        failures = [*self.failures, *spread]
        return ContractResult(
            accepted=self.rows.filter(~broken_rows(failures, height=self.rows.height)),
            rejected=reject(self.rows, failures),
            summary=summarise(self.rows, failures, hidden=self.hidden),
        )


def judge_rows(
    frame: pl.DataFrame,
    schema: type[pa.DataFrameModel],
    *,
    subject: str,
    known_times: KnownTimes | None = None,
) -> JudgedRows:
    """Judge each row by itself: types, nulls, the contract's checks, and when it became known.

    known_times: between which times rows may have become known; None does not ask.

    Raises: as `apply_contract`.
    """
    conformed = conform(frame, schema, subject=subject)
    rows = conformed.drop(UNREADABLE, strict=False)
    failures = [
        *unreadable_values(conformed, schema.to_schema()),
        *find_failures(rows, schema, subject=subject),
        *(known_times.broken(rows) if known_times else ()),
    ]
    hidden = tuple(column.name for column in describe_columns(schema) if column.is_pii)
    return JudgedRows(rows, without_second_reasons(failures), hidden)


def polars_type(column: pa.Column) -> pl.DataType | None:
    """The column's type; None when the contract leaves it open."""
    if column.dtype is None:
        return None
    dtype = column.dtype.type
    return dtype() if isinstance(dtype, type) else dtype
