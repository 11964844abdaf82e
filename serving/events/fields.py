"""The type of a request's field: the column's own type, with those checks of the contract that a type judges exactly.

A check that it cannot carry to the last value is left for the contract's own judge, which is slower.
"""

from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, isfinite
from typing import Annotated, Any, Literal

import msgspec
import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.carried import (
    MAXIMUM_CHARACTERS,
    WHOLE_BOUNDS,
    Carried,
    carried_as,
    limits_length,
)
from mlops_assets.core.contracts.contract import polars_type

_EXACT = 2**53
"""Float64 holds every integer up to here, so that comparing with one means the same in every library."""
_LARGEST_FLOAT64 = 1.7976931348623157e308
_ROUNDS_TO_INFINITY = 2.0**128 - 2.0**103
"""From here on the nearest Float32 is infinite (IEEE 754: half a step above the largest one)."""


@dataclass(frozen=True)
class EventField:
    """One column as a request carries it."""

    carried: Carried
    kind: Any
    """What msgspec reads; without null and documentation."""
    left: tuple[pa.Check, ...]
    """Checks that the type does not judge."""
    is_narrow: bool = False
    """Whether the value is to be rounded to a Float32."""


def event_field(column: pa.Column) -> EventField | None:
    """Make the type of one column; None when a request cannot carry it."""
    dtype = polars_type(column)
    carried = carried_as(dtype)
    if dtype is None or carried is None:
        return None
    checks = [check for check in column.checks if not check.raise_warning]
    if carried == "whole":
        return _whole(dtype, checks)
    if carried == "number":
        return _number(dtype, checks)
    if carried == "text":
        return _text(column, dtype, checks)
    if carried == "time":
        return EventField("time", Annotated[datetime, msgspec.Meta(tz=True)], tuple(checks))
    return EventField("truth", bool, tuple(checks))


def _whole(dtype: pl.DataType, checks: list[pa.Check]) -> EventField:
    low, high = WHOLE_BOUNDS[dtype.base_type()]
    allowed: set[int] | None = None
    left = []
    for check in checks:
        values, bounds = _allowed(check, int), _bounds(check)
        if values is not None:
            allowed = values if allowed is None else allowed & values
        elif bounds is not None and all(type(value) is int or abs(value) <= _EXACT for _, value in bounds):
            for side, value in bounds:
                low = max(low, _first_whole(side, value)) if side in ("ge", "gt") else low
                high = min(high, _last_whole(side, value)) if side in ("le", "lt") else high
        else:
            left.append(check)
    if allowed is not None:
        fitting = tuple(sorted(value for value in allowed if low <= value <= high))
        if fitting:
            return EventField("whole", Literal[fitting], tuple(left))
    if low > high or allowed is not None:  # no value is allowed at all: the contract's judge says so
        low, high = WHOLE_BOUNDS[dtype.base_type()]
        left = checks
    return EventField("whole", Annotated[int, msgspec.Meta(ge=low, le=high)], tuple(left))


def _number(dtype: pl.DataType, checks: list[pa.Check]) -> EventField:
    if dtype == pl.Float32():
        finite = msgspec.Meta(gt=-_ROUNDS_TO_INFINITY, lt=_ROUNDS_TO_INFINITY)
        # Bounds hold for the rounded value, which no type can see.
        return EventField("number", Annotated[float, finite], tuple(checks), is_narrow=True)
    low, high = ("ge", -_LARGEST_FLOAT64), ("le", _LARGEST_FLOAT64)
    left = []
    for check in checks:
        bounds = _bounds(check)
        if bounds is None or not all(type(value) is float or abs(value) <= _EXACT for _, value in bounds):
            left.append(check)
            continue
        for side, value in bounds:
            if side in ("ge", "gt") and (value, side == "gt") > (low[1], low[0] == "gt"):
                low = (side, float(value))
            if side in ("le", "lt") and (value, side == "le") < (high[1], high[0] == "le"):
                high = (side, float(value))
    limits: dict[str, Any] = dict([low, high])
    return EventField("number", Annotated[float, msgspec.Meta(**limits)], tuple(left))


def _text(column: pa.Column, dtype: pl.DataType, checks: list[pa.Check]) -> EventField:
    if isinstance(dtype, pl.Enum):
        return EventField("text", Literal[tuple(dtype.categories)], tuple(checks))
    shortest, longest = 0, None if limits_length(column) else MAXIMUM_CHARACTERS
    allowed: set[str] | None = None
    left = []
    for check in checks:
        statistics = check.statistics or {}
        values = _allowed(check, str)
        if dtype != pl.String():
            left.append(check)
        elif values is not None:
            allowed = values if allowed is None else allowed & values
        elif check.name == "str_length" and check.ignore_na:
            exact = statistics.get("exact_value")
            low, high = (
                (exact, exact)
                if exact is not None
                else (statistics.get("min_value"), statistics.get("max_value"))
            )
            shortest = max(shortest, low or 0)
            longest = high if longest is None else longest if high is None else min(longest, high)
        else:
            left.append(check)
    fitting = tuple(
        sorted(v for v in allowed or () if shortest <= len(v) <= (len(v) if longest is None else longest))
    )
    if fitting:
        return EventField("text", Literal[fitting], tuple(left))
    if allowed is not None or (longest is not None and longest < shortest):
        return EventField("text", str, tuple(checks))
    return EventField(
        "text", Annotated[str, msgspec.Meta(min_length=shortest, max_length=longest)], tuple(left)
    )


def _bounds(check: pa.Check) -> list[tuple[str, Any]] | None:
    """The check as limits under msgspec's names; None when it is none."""
    statistics = check.statistics or {}
    named = {
        "greater_than_or_equal_to": [("ge", "min_value")],
        "less_than_or_equal_to": [("le", "max_value")],
        "greater_than": [("gt", "min_value")],
        "less_than": [("lt", "max_value")],
        "in_range": [
            ("ge" if statistics.get("include_min", True) else "gt", "min_value"),
            ("le" if statistics.get("include_max", True) else "lt", "max_value"),
        ],
    }
    sides = named.get(check.name or "")
    if sides is None or not check.ignore_na:
        return None
    bounds = [(side, statistics.get(name)) for side, name in sides]
    return bounds if all(_is_number(value) for _, value in bounds) else None


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def _allowed(check: pa.Check, kind: type) -> set[Any] | None:
    """The values that the check allows, all of one kind; None when it is no such check."""
    values = (check.statistics or {}).get("allowed_values", ())
    is_plain = check.name == "isin" and check.ignore_na and values
    return set(values) if is_plain and all(type(value) is kind for value in values) else None


def _first_whole(side: str, value: float) -> int:
    return floor(value) + 1 if side == "gt" else ceil(value)


def _last_whole(side: str, value: float) -> int:
    return ceil(value) - 1 if side == "lt" else floor(value)
