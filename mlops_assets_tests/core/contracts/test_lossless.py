"""Casts: what is cast comes back unchanged, and what a type does not hold is lost by itself."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.contracts.lossless import cast_rows

NUMBERS = (pl.Int8, pl.Int32, pl.Int64, pl.UInt8, pl.UInt64, pl.Float32, pl.Float64)
TIMES = tuple(
    pl.Datetime(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")
)
NANOSECONDS = {"ms": 10**6, "us": 10**3, "ns": 1}


def holds(value: float, dtype: type[pl.DataType]) -> bool:
    if dtype in (pl.Float32, pl.Float64):
        return abs(value) <= (2**24 if dtype == pl.Float32 else 2**53)
    low, high = pl.select(dtype.min(), dtype.max().alias("max")).row(0)
    return value == int(value) and low <= value <= min(high, 2**63 - 1)


whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)


@given(st.lists(st.none() | whole, max_size=5), st.sampled_from(NUMBERS))
def test_an_integer_keeps_its_value_or_is_lost_alone(
    values: list[int | None], dtype: type[pl.DataType]
) -> None:
    cast = cast_rows(pl.Series(values, dtype=pl.Int64), dtype())
    assert cast is not None
    assert cast.values.dtype == dtype
    for value, found, lost in zip(values, cast.values.to_list(), cast.lost.to_list(), strict=True):
        assert lost == (value is not None and not holds(value, dtype))
        assert found == (None if lost else value)


@given(
    st.lists(st.none() | whole.map(float) | st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    st.sampled_from(NUMBERS[:5]),
)
def test_a_float_is_an_integer_where_it_is_whole(
    values: list[float | None], dtype: type[pl.DataType]
) -> None:
    cast = cast_rows(pl.Series(values, dtype=pl.Float64), dtype())
    assert cast is not None
    for value, found, lost in zip(values, cast.values.to_list(), cast.lost.to_list(), strict=True):
        assert lost == (value is not None and not holds(value, dtype))
        assert found == (None if lost else value)


@given(
    st.lists(st.none() | st.integers(-(2**50), 2**50), max_size=5),
    st.sampled_from(TIMES),
    st.sampled_from(TIMES),
)
def test_a_time_is_the_same_instant_cut_towards_the_past(
    values: list[int | None], found: pl.Datetime, expected: pl.Datetime
) -> None:
    cast = cast_rows(pl.Series(values, dtype=pl.Int64).cast(found), expected)
    if (found.time_zone is None) != (expected.time_zone is None):
        assert cast is None or all(value is None for value in values)
        return
    assert cast is not None
    for value, result, lost in zip(values, cast.values.to_physical(), cast.lost, strict=True):
        instant = None if value is None else value * NANOSECONDS[found.time_unit]
        scaled = None if instant is None else instant // NANOSECONDS[expected.time_unit]
        assert lost == (scaled is not None and abs(scaled) > 2**63 - 1)
        assert result == (None if lost else scaled)


def test_nulls_take_any_type_and_an_empty_column_only_one_that_fits() -> None:
    nulls = pl.Series("amount", [None, None], dtype=pl.String)
    cast = cast_rows(nulls, pl.Float64())
    assert cast is not None
    assert (cast.values.name, cast.values.dtype, cast.values.to_list()) == (
        "amount",
        pl.Float64,
        [None, None],
    )
    assert cast_rows(nulls.clear(), pl.Float64()) is None


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pl.Series([0.1, 0.5]), pl.Float32()),
        (pl.Series(["1"]), pl.Int64()),
        (pl.Series([1]), pl.String()),
        (pl.Series([datetime(2026, 1, 1, tzinfo=UTC)]), pl.Date()),
        (pl.Series([True]), pl.Int8()),
    ],
    ids=str,
)
def test_another_kind_of_value_is_never_cast(values: pl.Series, dtype: pl.DataType) -> None:
    assert cast_rows(values, dtype) is None
