"""The operations of the row-expression language, each in two forms that give the same bits.

What lives here: per operation, its Polars form over columns and its Python form over values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import copysign, inf, isnan
from typing import Literal

import polars as pl

from mlops_assets.core.errors import FeatureError

Scalar = int | float | str | bool
Kind = Literal["number", "text", "timestamp", "any"]


@dataclass(frozen=True)
class Operation:
    """One operation: operands of one kind, then constant arguments, to a result of one type."""

    name: str
    operands: Kind
    to_polars: Callable[..., pl.Expr]
    apply: Callable[..., object]
    """The same over values; it sees no null operand unless `sees_null`."""
    dtype: type[pl.DataType] = pl.Float64
    sees_null: bool = False


def as_operand(value: object, kind: Kind) -> object:
    """A row's value as an operand of the kind: numbers as float with NaN as None, timestamps in UTC.

    Raises: FeatureError when the value is of another kind.
    """
    if value is None or kind == "any":
        return value
    if kind == "number" and isinstance(value, (int, float)):
        converted = float(value)
        return None if isnan(converted) else converted
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "timestamp" and isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value
    raise FeatureError(f"needs a {kind}, but got {value!r}")


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
    """The Polars form of `as_operand`; a column of another kind fails when the frame is computed."""
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
    return timestamp.dt.epoch("us") // 3_600_000_000 % 24


_NUMBERS: tuple[Operation, ...] = (
    Operation("+", "number", lambda a, b: a + b, lambda a, b: a + b),
    Operation("-", "number", lambda a, b: a - b, lambda a, b: a - b),
    Operation("*", "number", lambda a, b: a * b, lambda a, b: a * b),
    Operation("/", "number", _divide_columns, _divide),
    Operation("minimum", "number", _minimum, lambda a, b: a if a <= b else b),
    Operation("maximum", "number", _maximum, lambda a, b: a if a >= b else b),
    Operation("cast_float", "number", lambda a: a, lambda a: a),
    Operation("fill_null", "number", _fill, lambda a, v: float(v) if a is None else a, sees_null=True),
)
_COMPARISONS: tuple[Operation, ...] = (
    Operation("<", "number", lambda a, b: a < b, lambda a, b: a < b, pl.Int8),
    Operation("<=", "number", lambda a, b: a <= b, lambda a, b: a <= b, pl.Int8),
    Operation(">", "number", lambda a, b: a > b, lambda a, b: a > b, pl.Int8),
    Operation(">=", "number", lambda a, b: a >= b, lambda a, b: a >= b, pl.Int8),
    Operation("==", "number", lambda a, b: a == b, lambda a, b: a == b, pl.Int8),
    Operation("!=", "number", lambda a, b: a != b, lambda a, b: a != b, pl.Int8),
    Operation(
        "&", "number", lambda a, b: _both(a, b, (a != 0) & (b != 0)), lambda a, b: a != 0 and b != 0, pl.Int8
    ),
    Operation(
        "|", "number", lambda a, b: _both(a, b, (a != 0) | (b != 0)), lambda a, b: a != 0 or b != 0, pl.Int8
    ),
    Operation("is_null", "any", lambda a: a.is_null(), lambda a: a is None, pl.Int8, sees_null=True),
)
_TIMESTAMPS: tuple[Operation, ...] = (
    Operation(
        "is_weekend", "timestamp", lambda a: a.dt.weekday() >= 6, lambda a: a.isoweekday() >= 6, pl.Int8
    ),
    Operation(
        "hour_between",
        "timestamp",
        lambda a, start, end: _hour(a).is_between(start, end, closed="left"),
        lambda a, start, end: start <= a.hour < end,
        pl.Int8,
    ),
)
_TEXTS: tuple[Operation, ...] = (
    Operation("text ==", "text", lambda a, b: a == b, lambda a, b: a == b, pl.Int8),
    Operation("text !=", "text", lambda a, b: a != b, lambda a, b: a != b, pl.Int8),
    Operation("text fill_null", "text", _fill, lambda a, v: v if a is None else a, pl.String, sees_null=True),
    Operation("category", "text", _category, category_index, pl.Int64),
)
OPERATIONS = {operation.name: operation for operation in (*_NUMBERS, *_COMPARISONS, *_TIMESTAMPS, *_TEXTS)}
