"""Partitions of a product's days, and the windows that go with them."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.times import LONGEST_DAYS, Period
from mlops_assets_tests.support.homes.small_home import small_spec

PERIODS = st.sampled_from(["day", "week", "month"])
DAYS = st.dates(date(1999, 1, 1), date(2101, 1, 1))


@given(PERIODS, DAYS)
def test_every_day_is_in_the_partition_that_its_key_names_and_in_no_other(period: Period, day: date):
    time = TimeAxis(start_date=date(1990, 1, 1), partitions=period)
    first, end = time.days_of(time.partition_key(day))
    assert first <= day < end
    assert 1 <= (end - first).days <= LONGEST_DAYS[period]
    assert {time.partition_key(first), time.partition_key(end - timedelta(days=1))} == {first.isoformat()}
    assert time.partition_key(end) == end.isoformat()


@given(PERIODS, DAYS, st.integers(1, 200))
def test_partitions_have_the_days_of_the_data_each_once(period: Period, start: date, days: int):
    end = start + timedelta(days=days)
    time = TimeAxis(start_date=start, end_date=end, partitions=period)
    every = [start + timedelta(days=number) for number in range(days)]
    keys = list(dict.fromkeys(time.partition_key(day) for day in every))
    assert [day for key in keys for day in time.each_day_of(key)] == every


def test_weeks_begin_on_monday_and_leap_years_have_their_day():
    weeks, months = (TimeAxis(start_date=date(2023, 1, 1), partitions=one) for one in ("week", "month"))
    assert weeks.partition_key(date(2023, 1, 8)) == "2023-01-02"
    assert months.days_of("2024-02-01") == (date(2024, 2, 1), date(2024, 3, 1))
    assert months.days_of("2023-12-01") == (date(2023, 12, 1), date(2024, 1, 1))


def declared(partitions: str | None, **monitoring: Any) -> ProductSpec:
    """The small declaration with a length of partitions, and what it says of monitoring."""
    content = small_spec().model_dump(mode="json")
    content["monitoring"].pop("window_days")
    content["monitoring"] |= monitoring
    if partitions is not None:
        content["time"]["partitions"] = partitions
    return ProductSpec.model_validate(content)


@pytest.mark.parametrize(
    ("partitions", "window", "between"), [(None, 7, 1), ("day", 7, 1), ("week", 7, 7), ("month", 35, 31)]
)
def test_a_window_is_as_long_as_a_partition_where_none_is_declared(
    partitions: str | None, window: int, between: int
):
    spec = declared(partitions)
    assert (spec.monitoring.window_days, spec.days_between_windows) == (window, between)
    assert declared(partitions, window_days=42).monitoring.window_days == 42


def test_a_window_that_leaves_days_out_is_refused():
    with pytest.raises(ValidationError, match="shorter than a month"):
        declared("month", window_days=28)
    with pytest.raises(ValidationError, match=r"time\.partitions"):
        declared("hour")


def test_a_week_under_way_is_not_over_though_its_monday_was_made_as_a_day():
    time = TimeAxis(start_date=date(2026, 1, 1), partitions="week")
    by_day = [date(2026, 1, day).isoformat() for day in range(1, 14)]  # the 12th is a Monday
    assert max(time.days_over(by_day, today=date(2026, 1, 14))) == date(2026, 1, 11)
    assert max(time.days_over(by_day, today=date(2026, 1, 19))) == date(2026, 1, 18)
    ended = TimeAxis(start_date=date(2026, 1, 1), end_date=date(2026, 1, 14), partitions="week")
    assert max(ended.days_over(by_day, today=date(2026, 1, 14))) == date(2026, 1, 13)


@given(st.permutations([("2026-01-05", 3), ("2026-01-06", 1), ("2026-01-07", 2)]))
def test_a_day_in_partitions_of_two_lengths_has_the_newest_of_both(numbers: list[tuple[str, int]]):
    time = TimeAxis(start_date=date(2026, 1, 1), partitions="week")
    newest = time.newest_of_days(dict(numbers))
    assert newest == {date(2026, 1, day): 3 for day in range(5, 12)}
