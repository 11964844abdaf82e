"""Which rows break a contract's checks, and why, in words.

Pandera judges the values; uniqueness and NaN are judged here, since Pandera rejects the first of equal rows
too, and lets NaN pass where null is allowed.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.constants import CHECK_OUTPUT_KEY
from pandera.errors import SchemaError, SchemaErrors

from mlops_assets.core.errors import ContractError

MAXIMUM_TEXT = 200
"""Characters of a check or an example that a reason or a summary shows."""


@dataclass(frozen=True)
class RowFailure:
    """One broken check."""

    column: str
    """"" for a check over several columns; several names, joined, for their uniqueness together."""
    check: str
    broken: pl.Series
    """Per row of the frame, whether it breaks the check."""


def find_failures(
    rows: pl.DataFrame, schema: type[pa.DataFrameModel], *, id_column: str, subject: str
) -> list[RowFailure]:
    """Judge rows whose columns already conform to the schema; an empty list when nothing is broken.

    Raises: ContractError when a check fails for the frame as a whole, or could not run.
    """
    if rows.is_empty():
        return []
    contract = copy.deepcopy(schema.to_schema())
    unique = _take_uniqueness(contract, id_column=id_column)
    not_nan = _nan_failures(rows)
    values = rows.with_columns(pl.col(failure.column).fill_nan(None) for failure in not_nan)
    failures = [*not_nan, *_check_failures(values, contract, not_nan, subject=subject)]
    sound = ~broken_rows(failures, height=rows.height)
    duplicates = (_duplicates(rows, columns, sound) for columns in unique)
    return failures + [failure for failure in duplicates if failure is not None]


def broken_rows(failures: Sequence[RowFailure], *, height: int) -> pl.Series:
    """Per row, whether it breaks any check."""
    broken = pl.Series("broken", [False]).new_from_index(0, height)
    for failure in failures:
        broken = broken | failure.broken
    return broken


def _take_uniqueness(contract: pa.DataFrameSchema, *, id_column: str) -> list[list[str]]:
    """Move uniqueness out of the contract: Pandera would reject the first of equal rows too."""
    together = contract.unique or []
    unique = [[id_column]] + [[name] for name, column in contract.columns.items() if column.unique]
    unique += (
        [list(together)] if together and isinstance(together[0], str) else [list(names) for names in together]
    )
    contract.unique = None
    for column in contract.columns.values():
        column.unique = False
    return [columns for number, columns in enumerate(unique) if columns not in unique[:number]]


def _nan_failures(rows: pl.DataFrame) -> list[RowFailure]:
    floats = [name for name, dtype in rows.schema.items() if dtype.is_float()]
    found = [RowFailure(name, "not_nan", rows[name].is_nan().fill_null(value=False)) for name in floats]
    return [failure for failure in found if failure.broken.any()]


def _check_failures(
    rows: pl.DataFrame, contract: pa.DataFrameSchema, not_nan: Sequence[RowFailure], *, subject: str
) -> list[RowFailure]:
    checks = [
        *(contract.checks or ()),
        *(check for column in contract.columns.values() for check in column.checks),
    ]
    for check in checks:
        check.n_failure_cases = 1  # the masks are enough; Pandera would copy every broken row into Python
    try:
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract.validate(rows.select(list(contract.columns)), lazy=True)
    except SchemaErrors as errors:
        nan = {failure.column: failure.broken for failure in not_nan}
        failures = [
            _row_failure(error, nan, height=rows.height, subject=subject) for error in errors.schema_errors
        ]
        return [failure for failure in failures if failure.broken.any()]
    return []


def _row_failure(error: SchemaError, nan: dict[str, pl.Series], *, height: int, subject: str) -> RowFailure:
    check = check_text(error.check)
    output = error.check_output
    if not isinstance(error.failure_cases, pl.DataFrame) or not isinstance(output, pl.DataFrame):
        raise ContractError(f"{subject}: check {check} says nothing about single rows: {error}") from error
    if output.height != height:
        raise ContractError(
            f"{subject}: check {check} gave {output.height} results for {height} rows"
        ) from error
    column = str(error.schema.name) if isinstance(error.schema, pa.Column) else ""
    broken = ~output[CHECK_OUTPUT_KEY]
    if check == "not_nullable" and column in nan:
        broken = broken & ~nan[column]
    return RowFailure(column, check, broken)


def _duplicates(rows: pl.DataFrame, columns: list[str], sound: pl.Series) -> RowFailure | None:
    """Rows whose non-null key an earlier row has that breaks no other check."""
    key = rows.select(columns)
    if key.n_unique() == key.height:
        return None
    keyed = key.with_columns(sound.alias("sound"), pl.int_range(pl.len()).alias("number"))
    first = pl.col("number").filter(pl.col("sound")).min().over(columns)
    is_key = pl.all_horizontal(pl.col(columns).is_not_null())
    broken = keyed.select((pl.col("number") > first).fill_null(value=False) & is_key).to_series()
    return RowFailure(", ".join(columns), "unique", broken) if broken.any() else None


def _text(rows: pl.DataFrame, column: str) -> pl.Expr:
    if rows.schema[column].is_nested():
        return pl.lit(str(rows.schema[column]))
    return pl.col(column).cast(pl.String).fill_null("null").str.slice(0, MAXIMUM_TEXT)


def reject(rows: pl.DataFrame, failures: Sequence[RowFailure]) -> pl.DataFrame:
    """Return the broken rows in their order, with `reasons`: every reason of the row, sorted."""
    broken = broken_rows(failures, height=rows.height)
    rejected = rows.filter(broken)
    number = pl.arg_where(broken, eager=True) if failures else pl.Series([], dtype=pl.UInt32)
    reasons = pl.concat(
        [pl.DataFrame({"number": number[:0], "reason": pl.Series([], dtype=pl.String)})]
        + [_reasons(rows, failure) for failure in failures]
    )
    by_row = reasons.sort("number", "reason").group_by("number", maintain_order=True).agg("reason")
    return rejected.with_columns(by_row["reason"].alias("reasons"))


def _reasons(rows: pl.DataFrame, failure: RowFailure) -> pl.DataFrame:
    """One row per broken row: number, reason."""
    text = pl.lit(f"{failure.column}: {failure.check}" if failure.column else failure.check)
    if failure.column in rows.columns:
        text = pl.concat_str(text, pl.lit(", got "), _text(rows, failure.column))
    numbered = rows.with_row_index("number").filter(failure.broken)
    return numbered.select("number", text.alias("reason"))


def summarise(rows: pl.DataFrame, failures: Sequence[RowFailure], *, hidden: Collection[str]) -> pl.DataFrame:
    """One row per broken check: column, check, rows, example; most rows first; no example of `hidden`
    columns.
    """
    entries = []
    for failure in failures:
        first = rows.filter(failure.broken).head(1)
        shown = failure.column in rows.columns and failure.column not in hidden
        example = first.select(_text(rows, failure.column)).item() if shown else ""
        entries.append((failure.column, failure.check, int(failure.broken.sum()), example))
    layout = {"column": pl.String, "check": pl.String, "rows": pl.Int64, "example": pl.String}
    summary = pl.DataFrame(entries, schema=layout, orient="row")
    return summary.sort("rows", "column", "check", descending=[True, False, False])


def check_text(check: pa.Check | str | None) -> str:
    """The check's own words: its error text, else its name; bounded."""
    text = check if isinstance(check, str) or check is None else (check.error or check.name)
    return str(text)[:MAXIMUM_TEXT]
