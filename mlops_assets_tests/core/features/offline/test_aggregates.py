"""Columns as numbers, codes and fixed-point integers: exact, and refused where they could not be."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.aggregates import as_codes, as_fixed_point, as_numbers, read_numbers
from mlops_assets_tests.support.features.world import window

SUM = window("sum", "customer", "sum", "amount")
columns = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)).map(lambda v: pl.Series(v, dtype=pl.Int64)),
    st.lists(st.none() | st.integers(0, 5)).map(lambda v: pl.Series(v, dtype=pl.UInt8)),
    st.lists(st.none() | st.text(max_size=3)).map(lambda v: pl.Series(v, dtype=pl.String)),
    st.lists(st.none() | st.floats(allow_infinity=False)).map(lambda v: pl.Series(v, dtype=pl.Float64)),
)


@given(columns)
def test_codes_are_equal_and_sorted_as_the_values_are_and_missing_ones_have_none(values: pl.Series):
    codes = as_codes(values).tolist()
    plain = [None if value != value else value for value in values.to_list()]
    assert [code == -1 for code in codes] == [value is None for value in plain]
    known = [(value, code) for value, code in zip(plain, codes, strict=True) if value is not None]
    for value, code in known:
        assert all((value < other) == (code < theirs) for other, theirs in known)
        assert all((value == other) == (code == theirs) for other, theirs in known)


@given(st.lists(st.none() | st.floats(-1e9, 1e9, allow_subnormal=False)), st.integers(0, 4))
def test_fixed_point_is_the_nearest_integer_and_even_in_the_middle(values: list[float | None], decimals: int):
    feature = window("sum", "customer", "sum", "amount", decimals=decimals)
    numbers = as_numbers(pl.Series("amount", values, dtype=pl.Float64), feature)
    expected = [0 if value is None else round(value * 10.0**decimals) for value in values]
    assert as_fixed_point(numbers, feature).tolist() == expected


def test_numbers_are_never_negative_zero_and_missing_is_nan():
    numbers = as_numbers(pl.Series("amount", [-0.0, None, float("nan"), 2.5]), SUM)
    assert not np.signbit(numbers[0])
    assert np.isnan(numbers).tolist() == [False, True, True, False]
    assert as_numbers(pl.Series("amount", [True, None]), SUM)[0] == 1.0
    assert read_numbers(pl.Series("amount", [None, None]), SUM).largest == 0.0


@given(st.lists(st.floats(-(2.0**62), 2.0**62), min_size=1, max_size=6))
def test_values_whose_sums_could_leave_an_int64_are_refused(values: list[float]):
    numbers = np.array(values)
    feature = window("sum", "customer", "sum", "amount", decimals=0)
    if sum(abs(round(value)) for value in values) > 2**62:
        with pytest.raises(FeatureError, match="leave the range of an int64"):
            as_fixed_point(numbers, feature)
    else:
        assert as_fixed_point(numbers, feature).tolist() == [round(value) for value in values]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pl.Series(["1"]), "not numeric"),
        (pl.Series([1.0, float("-inf"), None]), "infinite in 1 rows.*in row 1"),
    ],
)
def test_a_column_that_cannot_be_summed_is_named(values: pl.Series, words: str):
    with pytest.raises(FeatureError, match=words):
        read_numbers(values, SUM)
