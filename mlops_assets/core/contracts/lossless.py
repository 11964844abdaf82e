"""Casts between Polars types that change no value, row by row."""

from dataclasses import dataclass

import polars as pl

_EXACT_INTEGERS = {pl.Float64: 2**53, pl.Float32: 2**24}
"""A float type holds every integer up to here exactly (IEEE 754: bits of the significand)."""
LARGEST_STORED = 2**63 - 1
"""Delta tables have no unsigned integers: a UInt64 column holds what an Int64 does."""


@dataclass(frozen=True)
class Cast:
    """Values in another type."""

    values: pl.Series
    """Null where the type does not hold the value."""
    lost: pl.Series
    """Per row, whether the type does not hold its value."""


def cast_rows(values: pl.Series, dtype: pl.DataType) -> Cast | None:
    """Cast each value that `dtype` holds; None when the two types are of different kinds, so that no value can be cast.

    Of one kind are numbers among each other (a float is an integer when it is whole), times with a zone, times without
    one, and texts, Categorical and Enum. A column of nulls only has every type. A time is cut to the unit of `dtype`,
    towards the past: that is the one change of a value that is no loss. Float64 becomes Float32 only as a whole column.
    """
    if values.null_count() == values.len() and values.len():
        nulls = pl.Series(values.name, [None], dtype=dtype).new_from_index(0, values.len())
        return Cast(nulls, _none(values))
    if not _is_one_kind(values.dtype, dtype):
        return None
    cast = values if values.dtype == dtype else values.cast(dtype, strict=False)
    same = _is_same(values, cast)
    lost = _none(values) if same is None else values.is_not_null() & ~same.fill_null(value=False)
    if not lost.any():
        return Cast(cast, lost)
    if values.dtype == pl.Float64() and dtype == pl.Float32():
        return None
    return Cast(cast.set(lost, None), lost)


def _none(values: pl.Series) -> pl.Series:
    return pl.Series("lost", [False]).new_from_index(0, values.len())


def _is_same(values: pl.Series, cast: pl.Series) -> pl.Series | None:
    """Per row, whether the value is the same; None when it is in every row."""
    found, dtype = values.dtype, cast.dtype
    if found.is_integer() and dtype.is_float():
        limit = _EXACT_INTEGERS[pl.Float64 if dtype == pl.Float64() else pl.Float32]
        return values.is_between(-limit, limit)
    if found.is_integer():
        return _is_stored(cast)
    if found.is_float() and dtype.is_integer():
        return (cast.cast(found) == values) & _is_stored(cast)
    if found.is_float():
        return None if dtype == pl.Float64() else (cast.cast(found) == values) | values.is_nan()
    return cast.is_not_null() if isinstance(dtype, pl.Enum | pl.Datetime) else None


def _is_stored(cast: pl.Series) -> pl.Series:
    return cast <= LARGEST_STORED if cast.dtype == pl.UInt64() else cast.is_not_null()


def _is_one_kind(found: pl.DataType, expected: pl.DataType) -> bool:
    if found == expected:
        return True
    numbers = (pl.Float64(), pl.Float32())
    if found.is_integer() or found in numbers:
        return expected.is_integer() or expected in numbers
    if isinstance(found, pl.Datetime) and isinstance(expected, pl.Datetime):
        return (found.time_zone is None) == (expected.time_zone is None)
    texts = (pl.String, pl.Categorical, pl.Enum)
    return isinstance(found, texts) and isinstance(expected, texts)
