"""The operations of the row-expression language, each in two forms that give the same bits."""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf
from typing import Literal

import polars as pl

from mlops_assets.core.errors import FeatureError

Scalar = int | float | str | bool
Kind = Literal["number", "text", "timestamp", "any"]
_HOUR = 3_600_000_000
"""Microseconds."""
_DAY = 24 * _HOUR
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday, counted from Monday as 0."""


@dataclass(frozen=True)
class Operation:
    """One operation: operands of one kind, then constant arguments, to a result of one type."""

    name: str
    operands: Kind
    to_polars: Callable[..., pl.Expr]
    python: str | Callable[..., object]
    """The same over one row's values: the source of an expression over operands and arguments by place, or a function.

    Numbers are float, timestamps microseconds since 1970, UTC; no operand is None unless `sees_null`.
    """
    dtype: type[pl.DataType] = pl.Float64
    sees_null: bool = False


def is_kind(dtype: pl.DataType, kind: Kind) -> bool:
    """Whether a column's type fits the kind; an all-null column fits every kind."""
    fits = {
        "any": True,
        "number": dtype.is_numeric() or dtype == pl.Boolean,
        "text": dtype == pl.String,
        "timestamp": dtype == pl.Datetime,
    }
    return fits[kind] or dtype == pl.Null


def as_operand_column(column: pl.Expr, kind: Kind) -> pl.Expr:
    """A column as an operand of the kind: numbers as Float64, timestamps in UTC.

    A column of another kind fails when the frame is computed.
    """
    if kind == "number":
        return column.cast(pl.Float64)
    if kind == "timestamp":
        return column.dt.convert_time_zone("UTC")
    return column


def _divide(left: float, right: float) -> float | None:
    if right:
        return left / right
    return copysign(inf, left) * copysign(1.0, right) if left else None


def _divide_columns(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    # Polars 2.1 multiplies by the reciprocal when the divisor is one value for all rows, which is off in the
    # last bit: `when` makes a column of it.
    return left / pl.when(left.is_not_null()).then(right)


def _both(left: pl.Expr, right: pl.Expr, result: pl.Expr) -> pl.Expr:
    return pl.when(left.is_not_null() & right.is_not_null()).then(result)


def _minimum(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return _both(left, right, pl.when(left <= right).then(left).otherwise(right))


def _maximum(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return _both(left, right, pl.when(left >= right).then(left).otherwise(right))


def _category(column: pl.Expr, values: tuple[str, ...]) -> pl.Expr:
    return column.replace_strict(list(values), list(range(len(values))), return_dtype=pl.Int64)


def category_index(value: str, values: tuple[str, ...]) -> int:
    """Position of a text among the declared categories.

    Raises: FeatureError for a text that is not declared.
    """
    if value not in values:
        known = ", ".join(values)
        raise FeatureError(
            f"unknown category {value!r}, declared are {known}: add it to the view, or reject it by contract"
        )
    return values.index(value)


def _fill(column: pl.Expr, value: Scalar) -> pl.Expr:
    return column.fill_null(value if isinstance(value, str) else float(value))


def _hour(timestamp: pl.Expr) -> pl.Expr:
    # `dt.hour` splits each time into its calendar parts, five times as slow; hours of UTC need none of them.
    return timestamp.dt.epoch("us") // _HOUR % 24


_NUMBERS: tuple[Operation, ...] = (
    Operation("+", "number", lambda a, b: a + b, "{0} + {1}"),
    Operation("-", "number", lambda a, b: a - b, "{0} - {1}"),
    Operation("*", "number", lambda a, b: a * b, "{0} * {1}"),
    Operation("/", "number", _divide_columns, _divide),
    Operation("minimum", "number", _minimum, "{0} if {0} <= {1} else {1}"),
    Operation("maximum", "number", _maximum, "{0} if {0} >= {1} else {1}"),
    Operation("cast_float", "number", lambda a: a, "{0}"),
    Operation("fill_null", "number", _fill, lambda a, v: float(v) if a is None else a, sees_null=True),
)
_COMPARISONS: tuple[Operation, ...] = (
    Operation("<", "number", lambda a, b: a < b, "{0} < {1}", pl.Int8),
    Operation("<=", "number", lambda a, b: a <= b, "{0} <= {1}", pl.Int8),
    Operation(">", "number", lambda a, b: a > b, "{0} > {1}", pl.Int8),
    Operation(">=", "number", lambda a, b: a >= b, "{0} >= {1}", pl.Int8),
    Operation("==", "number", lambda a, b: a == b, "{0} == {1}", pl.Int8),
    Operation("!=", "number", lambda a, b: a != b, "{0} != {1}", pl.Int8),
    Operation("&", "number", lambda a, b: _both(a, b, (a != 0) & (b != 0)), "{0} != 0 and {1} != 0", pl.Int8),
    Operation("|", "number", lambda a, b: _both(a, b, (a != 0) | (b != 0)), "{0} != 0 or {1} != 0", pl.Int8),
    Operation("is_null", "any", lambda a: a.is_null(), "{0} is None", pl.Int8, sees_null=True),
)
_TIMESTAMPS: tuple[Operation, ...] = (
    Operation(
        "is_weekend",
        "timestamp",
        lambda a: a.dt.weekday() >= 6,
        f"({{0}} // {_DAY} + {_EPOCH_WEEKDAY}) % 7 >= 5",
        pl.Int8,
    ),
    Operation(
        "hour_between",
        "timestamp",
        lambda a, start, end: _hour(a).is_between(start, end, closed="left"),
        f"{{1}} <= {{0}} % {_DAY} // {_HOUR} < {{2}}",
        pl.Int8,
    ),
)
_TEXTS: tuple[Operation, ...] = (
    Operation("text ==", "text", lambda a, b: a == b, "{0} == {1}", pl.Int8),
    Operation("text !=", "text", lambda a, b: a != b, "{0} != {1}", pl.Int8),
    Operation("text fill_null", "text", _fill, lambda a, v: v if a is None else a, pl.String, sees_null=True),
    Operation("category", "text", _category, category_index, pl.Int64),
)
OPERATIONS = {operation.name: operation for operation in (*_NUMBERS, *_COMPARISONS, *_TIMESTAMPS, *_TEXTS)}
