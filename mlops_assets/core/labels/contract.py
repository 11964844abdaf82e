"""The contract of every product's labels: which columns they have, and which values can be an outcome.

It is the platform's, not a product's: joins, features and metrics rest on it.
"""

from collections.abc import Mapping

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.contract import column_type
from mlops_assets.core.contracts.lossless import Cast, cast_rows
from mlops_assets.core.contracts.schema_difference import schema_difference
from mlops_assets.core.contracts.time_of_knowledge import KnownTimes
from mlops_assets.core.errors import ContractError, SchemaDriftError
from mlops_assets.core.times import UTC_TIME

TIMES = ("event_timestamp", "known_at")


def check_labels(
    frame: pl.DataFrame,
    *,
    id_column: str,
    label: str,
    has_times: bool,
    events: type[pa.DataFrameModel],
    subject: str,
    known_times: KnownTimes | None = None,
) -> pl.DataFrame:
    """Return the labels with the outcome as Int8 and without exact copies of a row; order is kept.

    One row per id and time at which its outcome became known: id, `event_timestamp` and `known_at` (UTC) where the
    product has a time axis, and the outcome, 0 or 1. The id has the type that the contract `events` gives it.

    frame: what the source gave. id_column, label: names of its columns. has_times: whether the product has a time axis.
    subject: what messages speak of. known_times: between which times outcomes may have become known; None does not ask
    for the time of reading. An outcome is never known before its event.

    Raises: SchemaDriftError for a new, missing or retyped column; ContractError for a null, an outcome that is neither
    0 nor 1, one that was known before its event or after it was read, or two outcomes of one id known at the same
    instant.
    """
    expected: dict[str, pl.DataType] = {
        id_column: column_type(events, id_column) or frame.schema.get(id_column, pl.Null())
    }
    if has_times:
        expected |= dict.fromkeys(TIMES, UTC_TIME)
    expected[label] = pl.Int8()
    casts = _casts(frame, expected, label=label)
    found = {name: expected[name] if name in casts else dtype for name, dtype in frame.schema.items()}
    difference = schema_difference(found, expected)
    if difference:
        raise SchemaDriftError(
            f"{subject}: the columns differ from those of labels:\n{difference.describe()}\nMend the reader of labels."
        )
    for name, cast in casts.items():
        what = f"{label} is neither 0 nor 1" if name == label else f"{name} is no {expected[name]}"
        _refuse(frame, frame.filter(cast.lost), what=what, subject=subject)
    rows = frame.select(cast.values.alias(name) for name, cast in casts.items()).select(list(expected))
    has_repeated_ids = rows[id_column].n_unique() < rows.height
    if has_repeated_ids:
        rows = rows.unique(maintain_order=True)
    _check_values(rows, label=label, has_times=has_times, subject=subject)
    for failure in known_times.broken(rows) if known_times else ():
        what = f"{failure.column} is {failure.check}".replace(" is not ", " lies ")
        _refuse(rows, rows.filter(failure.broken), what=what, subject=subject)
    if has_repeated_ids:
        _check_no_contradiction(rows, id_column=id_column, has_times=has_times, subject=subject)
    return rows


def _casts(frame: pl.DataFrame, expected: Mapping[str, pl.DataType], *, label: str) -> dict[str, Cast]:
    """The columns that are of the expected kind; an outcome may be a truth value, too."""
    casts = {}
    for name in expected:
        if name not in frame.columns:
            continue
        values = frame[name]
        if name == label and values.dtype == pl.Boolean():
            values = values.cast(pl.Int8())
        if (cast := cast_rows(values, expected[name])) is not None:
            casts[name] = cast
    return casts


def _check_no_contradiction(rows: pl.DataFrame, *, id_column: str, has_times: bool, subject: str) -> None:
    key = [id_column, "known_at"] if has_times else [id_column]
    broken = rows.filter(pl.struct(key).is_duplicated())
    _refuse(rows, broken, what=f"{' and '.join(key)} have two outcomes", subject=subject)


def _check_values(rows: pl.DataFrame, *, label: str, has_times: bool, subject: str) -> None:
    problems = {f"{name} is null": pl.col(name).is_null() for name in rows.columns}
    problems[f"{label} is neither 0 nor 1"] = ~pl.col(label).is_in([0, 1])
    if has_times:
        problems["known_at lies before event_timestamp"] = pl.col("known_at") < pl.col("event_timestamp")
    for what, is_broken in problems.items():
        _refuse(rows, rows.filter(is_broken), what=what, subject=subject)


def _refuse(rows: pl.DataFrame, broken: pl.DataFrame, *, what: str, subject: str) -> None:
    if broken.height:
        raise ContractError(
            f"{subject}: {what} in {broken.height} of {rows.height} rows, for example {broken.row(0, named=True)}; "
            "an outcome that cannot be is not left aside in silence: mend the source of labels"
        )
