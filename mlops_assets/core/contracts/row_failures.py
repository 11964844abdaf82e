"""Which rows break a contract's checks, and why, in words.

`judge_check` is the one judge of a value: the lakehouse asks it for whole tables, serving for what a request's type
cannot carry.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandera.polars as pa
import polars as pl
from pandera.constants import CHECK_OUTPUT_KEY

from mlops_assets.core.contracts.carried import MAXIMUM_CHARACTERS, limits_length
from mlops_assets.core.errors import ContractError

MAXIMUM_TEXT = 200
"""Characters of a check or an example that a reason or a summary shows."""
NUMBER, REASON = "__number", "__reason"
"""Columns of a step, under names that no contract can have."""


@dataclass(frozen=True)
class RowFailure:
    """One broken check."""

    column: str
    """"" for a check over several columns; several names, joined, for their uniqueness together."""
    check: str
    broken: pl.Series
    """Per row of the frame, whether it breaks the check."""
    found: pl.Series | None = None
    """What stood in the column, as text, where the row itself does not hold it."""

    def of_first(self, rows: int) -> "RowFailure":
        """The same failure for the first rows alone."""
        return replace(self, broken=self.broken[:rows])


def find_failures(rows: pl.DataFrame, schema: type[pa.DataFrameModel], *, subject: str) -> list[RowFailure]:
    """Judge rows whose columns already conform to the schema; an empty list when nothing is broken.

    Raises: ContractError when a check fails for the frame as a whole, or could not run.
    """
    if rows.is_empty():
        return []
    contract = schema.to_schema()
    failures = _no_numbers(rows)
    present = {name: column for name, column in contract.columns.items() if name in rows.columns}
    values = rows.select(list(present)).with_columns(
        pl.col(one.column).fill_nan(None).replace([float("inf"), float("-inf")], None) for one in failures
    )
    for name, column in present.items():
        if (is_long := _too_long(rows[name], column)) is not None:
            failures.append(
                RowFailure(name, f"at most {MAXIMUM_CHARACTERS} characters (or str_length)", is_long)
            )
        if not column.nullable:
            failures.append(RowFailure(name, "not_nullable", rows[name].is_null()))
        failures += [_judged(values, check, name, subject=subject) for check in column.checks]
    failures += [_judged(values, check, "", subject=subject) for check in contract.checks or ()]
    return [failure for failure in failures if failure.broken.any()]


def judge_check(rows: pl.DataFrame, check: pa.Check, column: str | None) -> pl.Series | bool:
    """Say per row whether a check holds, or in one word where the check speaks of the frame as a whole.

    A null holds, unless the check says otherwise (`ignore_na=False`). rows: in the contract's types, without NaN.
    """
    result = check(rows.lazy(), column)
    output = result.check_output.collect()[CHECK_OUTPUT_KEY]
    return bool(output[0]) if result.failure_cases is None else output.fill_null(value=True)


def _judged(rows: pl.DataFrame, check: pa.Check, column: str, *, subject: str) -> RowFailure:
    text = check_text(check)
    if check.raise_warning:
        return RowFailure(column, text, _none_of(rows))
    where = f"{subject}: check {text}" + (f" of {column}" if column else "")
    try:
        holds = judge_check(rows, check, column or None)
    except Exception as error:  # the check is the user's code
        raise ContractError(f"{where} could not run: {type(error).__name__}: {error}") from error
    if isinstance(holds, bool):
        if holds:
            return RowFailure(column, text, _none_of(rows))
        raise ContractError(f"{where} says nothing about single rows, and it fails")
    if holds.len() != rows.height:
        raise ContractError(f"{where} gave {holds.len()} results for {rows.height} rows")
    return RowFailure(column, text, ~holds)


def _none_of(rows: pl.DataFrame) -> pl.Series:
    return pl.Series("broken", [False]).new_from_index(0, rows.height)


def without_second_reasons(failures: Sequence[RowFailure]) -> list[RowFailure]:
    """Leave out that a value is null where it is null only because it could not be read."""
    unread = {one.column: one.broken for one in failures if one.found is not None}
    kept = [
        replace(one, broken=one.broken & ~unread[one.column])
        if one.check == "not_nullable" and one.column in unread
        else one
        for one in failures
    ]
    return [one for one in kept if one.broken.any()]


def broken_rows(failures: Sequence[RowFailure], *, height: int) -> pl.Series:
    """Per row, whether it breaks any check."""
    broken = pl.Series("broken", [False]).new_from_index(0, height)
    for failure in failures:
        broken = broken | failure.broken
    return broken


def _too_long(texts: pl.Series, column: pa.Column) -> pl.Series | None:
    if not isinstance(texts.dtype, pl.String | pl.Categorical) or limits_length(column):
        return None
    is_long = (
        texts.cast(pl.String).str.len_bytes() > MAXIMUM_CHARACTERS
    )  # counted at once; characters are not more
    if not is_long.any():
        return None
    return (texts.cast(pl.String).str.len_chars() > MAXIMUM_CHARACTERS).fill_null(value=False)


def _no_numbers(rows: pl.DataFrame) -> list[RowFailure]:
    floats = [name for name, dtype in rows.schema.items() if dtype.is_float()]
    found = [RowFailure(name, "not_nan", rows[name].is_nan().fill_null(value=False)) for name in floats]
    found += [RowFailure(name, "finite", rows[name].is_infinite().fill_null(value=False)) for name in floats]
    return [failure for failure in found if failure.broken.any()]


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
        [pl.DataFrame({NUMBER: number[:0], REASON: pl.Series([], dtype=pl.String)})]
        + [_reasons(rows, failure) for failure in failures]
    )
    by_row = reasons.sort(NUMBER, REASON).group_by(NUMBER, maintain_order=True).agg(REASON)
    return rejected.with_columns(by_row[REASON].alias("reasons"))


def _reasons(rows: pl.DataFrame, failure: RowFailure) -> pl.DataFrame:
    """One row per broken row: number, reason."""
    text = pl.lit(f"{failure.column}: {failure.check}" if failure.column else failure.check)
    if failure.found is not None:
        text = pl.concat_str(text, pl.lit(", got "), pl.lit(failure.found).str.slice(0, MAXIMUM_TEXT))
    elif failure.column in rows.columns:
        text = pl.concat_str(text, pl.lit(", got "), _text(rows, failure.column))
    numbered = rows.with_row_index(NUMBER).with_columns(text.alias(REASON))
    return numbered.filter(failure.broken).select(NUMBER, REASON)


def summarise(rows: pl.DataFrame, failures: Sequence[RowFailure], *, hidden: Collection[str]) -> pl.DataFrame:
    """One row per broken check: column, check, rows, example; most rows first; no example of `hidden`
    columns.
    """
    entries = []
    for failure in failures:
        first = rows.filter(failure.broken).head(1)
        shown = failure.column in rows.columns and failure.column not in hidden
        example = first.select(_text(rows, failure.column)).item() if shown else ""
        if shown and failure.found is not None:
            example = failure.found.filter(failure.broken)[0][:MAXIMUM_TEXT]
        entries.append((failure.column, failure.check, int(failure.broken.sum()), example))
    layout = {"column": pl.String, "check": pl.String, "rows": pl.Int64, "example": pl.String}
    summary = pl.DataFrame(entries, schema=layout, orient="row")
    return summary.sort("rows", "column", "check", descending=[True, False, False])


def check_text(check: pa.Check | str | None) -> str:
    """The check's own words: its error text, else its name; bounded."""
    text = check if isinstance(check, str) or check is None else (check.error or check.name)
    return str(text)[:MAXIMUM_TEXT]
