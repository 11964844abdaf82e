"""Row expressions drawn by hypothesis, and their definition, word for word, in pure Python over one row."""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import copysign, inf, isnan
from typing import Any

import polars as pl
from hypothesis import strategies as st

from mlops_assets.core.features.expressions import (
    Applied,
    Column,
    Expression,
    Literal,
    col,
    literal,
    maximum,
    minimum,
)

TYPES = {
    "x": pl.Float64, "y": pl.Float64, "n": pl.Int64, "b": pl.Boolean, "t": pl.Datetime("us", "UTC"), "s": pl.String
}  # fmt: skip
EPOCH = datetime(2024, 3, 31, tzinfo=UTC)
CATEGORIES = ("red", "green", "ß")
special = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 49.0, 1e308, 5e-324]
floats = st.sampled_from(special) | st.floats()
rows = st.fixed_dictionaries(
    {
        "x": st.none() | floats,
        "y": st.none() | floats,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
        "b": st.none() | st.booleans(),
        "t": st.none() | st.integers(-(10**15), 10**15).map(lambda us: EPOCH + timedelta(microseconds=us)),
        "s": st.none() | st.sampled_from(CATEGORIES),
    }
)
constants = st.sampled_from([0, 1, -0.0, 3, 49, 0.1, -7.5, 1e300])
leaves = st.one_of(
    st.sampled_from(["x", "y", "n", "b"]).map(col),
    constants.map(literal),
    st.builds(lambda start, end: col("t").hour_between(start, end), st.integers(0, 24), st.integers(0, 24)),
    st.sampled_from(
        [
            col("t").is_weekend(),
            col("t").is_null(),
            col("s").is_null(),
            col("s").category(CATEGORIES),
            col("s").fill_null("green").category(CATEGORIES),
            col("s") == "red",
            col("s") != "red",
        ]
    ),
)
BINARY = (
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a < b,
    lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b, lambda a, b: a == b, lambda a, b: a != b,
    lambda a, b: a & b, lambda a, b: a | b, minimum, maximum,
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda apply, a, b: apply(a, b), st.sampled_from(BINARY), inner, inner),
        st.builds(lambda a: a.is_null(), inner),
        st.builds(lambda a: a.cast_float(), inner),
        st.builds(lambda a, value: a.fill_null(value), inner, constants),
        st.builds(lambda a, low, high: a.clip(low, high), inner, constants, constants),
    ),
    max_leaves=6,
)


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else value


def value_of(expression: Expression, row: Mapping[str, object]) -> object:
    """The expression over one row, given by column name; None is null, a flag is 1 or 0."""
    value = _value(expression, row)
    return _number(value) if expression.dtype == pl.Float64 else value


def _value(expression: Expression, row: Mapping[str, object]) -> object:
    if isinstance(expression, Column):
        return _without_nan(row[expression.name])
    if isinstance(expression, Literal):
        return expression.value
    assert isinstance(expression, Applied)
    operands = [_value(operand, row) for operand in expression.operands]
    if expression.operation in SEE_NULL:
        return SEE_NULL[expression.operation](*operands, *expression.arguments)
    if any(operand is None for operand in operands):
        return None
    if expression.operation in OF_NUMBERS:
        return _without_nan(OF_NUMBERS[expression.operation](*map(_number, operands)))
    return OF_OTHERS[expression.operation](*operands, *expression.arguments)


def _number(value: Any) -> float | None:
    return None if value is None else _without_nan(float(value))


def _without_nan(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _quotient(dividend: float, divisor: float) -> float | None:
    """IEEE 754, where Python raises."""
    if divisor != 0:
        return dividend / divisor
    return None if dividend == 0 else copysign(inf, dividend) * copysign(1, divisor)


SEE_NULL: Mapping[str, Callable[..., object]] = {
    "is_null": lambda value: int(value is None),
    "fill_null": lambda value, other: float(other) if value is None else _number(value),
    "text fill_null": lambda value, other: other if value is None else value,
}
OF_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "minimum": lambda a, b: b if b < a else a,
    "maximum": lambda a, b: b if b > a else a,
    "cast_float": lambda a: a,
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "&": lambda a, b: int(bool(a) and bool(b)),
    "|": lambda a, b: int(bool(a) or bool(b)),
}
OF_OTHERS: Mapping[str, Callable[..., object]] = {
    "is_weekend": lambda time: int(time.astimezone(UTC).strftime("%a") in ("Sat", "Sun")),
    "hour_between": lambda time, start, end: int(time.astimezone(UTC).hour in range(start, end)),
    "text ==": lambda a, b: int(a == b),
    "text !=": lambda a, b: int(a != b),
    "category": lambda text, values: values.index(text),
}
