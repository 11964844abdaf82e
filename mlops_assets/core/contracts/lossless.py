"""Casts between Polars types that change no value."""

import polars as pl

_EXACT_INTEGER = 2**53
"""Float64 holds every integer up to here exactly (IEEE 754 binary64: 53 bits of significand)."""


def cast_lossless(values: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """Cast to `dtype` when no value changes, else None; nulls stay null."""
    if values.dtype == dtype:
        return values
    if values.null_count() == values.len() and values.len():
        return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, values.len())
    if not _may_cast(values.dtype, dtype) or not _fits_float(values, dtype):
        return None
    cast = values.cast(dtype, strict=False)
    if cast.null_count() != values.null_count():
        return None
    is_coarser = isinstance(values.dtype, pl.Datetime) and values.dtype.time_unit == "ns"
    return None if is_coarser and not (cast.cast(values.dtype) == values).all() else cast


def _fits_float(values: pl.Series, dtype: pl.DataType) -> bool:
    if not values.dtype.is_integer() or not dtype.is_float():
        return True
    extremes = [abs(bound) for bound in (values.min(), values.max()) if isinstance(bound, int)]
    return dtype == pl.Float64() and all(bound <= _EXACT_INTEGER for bound in extremes)


def _may_cast(found: pl.DataType, expected: pl.DataType) -> bool:
    if found.is_integer():
        return expected.is_integer() or expected.is_float()
    if found.is_float():
        return expected == pl.Float64()
    if isinstance(found, pl.Categorical | pl.Enum):
        return expected == pl.String()
    if isinstance(found, pl.Datetime) and isinstance(expected, pl.Datetime):
        return (found.time_zone is None) == (expected.time_zone is None)
    return False
