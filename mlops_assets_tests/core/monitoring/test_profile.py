"""Profiles add up over days, and a value is never far from what it was."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.monitoring.profile import (
    EXACT_VALUES,
    add,
    profile_column,
    profile_days,
    profiles_by_day,
)

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=60)


@given(NUMBERS, NUMBERS)
def test_days_add_up_to_the_profile_of_all_rows(one: list[float | None], other: list[float | None]) -> None:
    together = profile_column(pl.Series(one + other, dtype=pl.Float64))
    added = add([profile_column(pl.Series(part, dtype=pl.Float64)) for part in (one, other)])
    assert (added.rows, added.missing) == (together.rows, together.missing)
    assert added.values.tolist() == together.values.tolist()
    assert added.counts.tolist() == together.counts.tolist()


@pytest.mark.parametrize("centre", [0.0, 1.0, 1000.0, -1e9])
def test_rounding_keeps_every_value_near_and_the_column_apart(centre: float) -> None:
    numbers = np.random.default_rng(0).normal(centre, 1.0, 20_000)
    profile = profile_column(pl.Series(numbers))
    assert profile.counts.sum() == 20_000
    assert 64 <= len(profile.values) < 2_000
    rounded = np.repeat(profile.values, profile.counts)
    far = np.abs(np.sort(numbers) - rounded)
    assert (far <= 0.016 * np.abs(np.sort(numbers)) + 1e-300).all()
    assert abs(rounded.std() - 1.0) < 0.05


def test_few_values_and_categories_are_kept_as_they_are() -> None:
    codes = pl.Series([float(code) / 7 for code in range(3 * EXACT_VALUES)])
    assert profile_column(codes, is_category=True).values.tolist() == sorted(codes.to_list())
    assert profile_column(codes[:EXACT_VALUES]).values.tolist() == sorted(codes[:EXACT_VALUES].to_list())
    assert profile_column(pl.Series([-0.0, 0.0])).counts.tolist() == [2]


def test_a_table_of_days_is_read_back_by_column() -> None:
    rows = pl.DataFrame(
        {
            "event_date": [date(2026, 1, 2), date(2026, 1, 1), date(2026, 1, 2)],
            "amount": [1.5, None, 1.5],
            "score": [0.1, 0.2, 0.3],
        }
    )
    table = profile_days(
        rows, day="event_date", columns={"amount": "feature", "score": "score"}, made_by="view"
    )
    days = profiles_by_day(table, "amount")
    assert list(days) == [date(2026, 1, 1), date(2026, 1, 2)]
    assert (days[date(2026, 1, 1)].missing, days[date(2026, 1, 1)].present) == (1, 0)
    assert days[date(2026, 1, 2)].counts.tolist() == [2]


def test_nothing_has_an_empty_profile() -> None:
    assert add([]).rows == 0
    assert profile_column(pl.Series([], dtype=pl.Float64)).values.tolist() == []
