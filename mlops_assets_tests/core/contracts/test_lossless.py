"""Casts: what is cast comes back unchanged, and what would change is refused."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.contracts.lossless import cast_lossless

NUMBERS = (pl.Int8, pl.Int32, pl.Int64, pl.UInt8, pl.UInt64, pl.Float32, pl.Float64)
TIMES = tuple(
    pl.Datetime(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")
)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=5), st.sampled_from(NUMBERS))
def test_integers_are_cast_only_where_each_keeps_its_value(
    values: list[int | None], dtype: type[pl.DataType]
) -> None:
    given_values = pl.Series(values, dtype=pl.Int64)
    cast = cast_lossless(given_values, dtype())
    if cast is None:
        assert dtype == pl.Float32 or not all(value is None or fits(value, dtype) for value in values)
        return
    assert cast.dtype == dtype
    assert [None if value is None else int(value) for value in cast.to_list()] == values


def fits(value: int, dtype: type[pl.DataType]) -> bool:
    if dtype == pl.Float64:
        return abs(value) <= 2**53
    low, high = pl.select(dtype.min(), dtype.max().alias("max")).row(0)
    return low <= value <= high


@given(
    st.lists(st.none() | st.integers(-(2**50), 2**50), max_size=5),
    st.sampled_from(TIMES),
    st.sampled_from(TIMES),
)
def test_times_are_cast_only_to_the_same_instants(
    values: list[int | None], found: pl.Datetime, expected: pl.Datetime
) -> None:
    times = pl.Series(values, dtype=pl.Int64).cast(found)
    cast = cast_lossless(times, expected)
    if (found.time_zone is None) != (expected.time_zone is None):
        assert cast is None or times.null_count() == times.len()
    elif cast is None:
        assert found.time_unit == "ns"
    else:
        assert cast.dtype == expected
        assert nanoseconds(cast) == nanoseconds(times)


def nanoseconds(times: pl.Series) -> list[int | None]:
    assert isinstance(times.dtype, pl.Datetime)
    factor = {"ms": 10**6, "us": 10**3, "ns": 1}[times.dtype.time_unit]
    return [None if value is None else value * factor for value in times.to_physical().to_list()]


def test_nulls_take_any_type_and_an_empty_column_only_one_that_fits() -> None:
    nulls = pl.Series("amount", [None, None], dtype=pl.String)
    cast = cast_lossless(nulls, pl.Float64())
    assert cast is not None
    assert (cast.name, cast.dtype, cast.to_list()) == ("amount", pl.Float64, [None, None])
    assert cast_lossless(nulls.clear(), pl.Float64()) is None


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pl.Series([0.5]), pl.Int64()),
        (pl.Series([0.5]), pl.Float32()),
        (pl.Series(["1"]), pl.Int64()),
        (pl.Series([1]), pl.String()),
        (pl.Series([datetime(2026, 1, 1, tzinfo=UTC)]), pl.Date()),
        (pl.Series([True]), pl.Int8()),
    ],
    ids=str,
)
def test_another_kind_of_value_is_never_cast(values: pl.Series, dtype: pl.DataType) -> None:
    assert cast_lossless(values, dtype) is None
