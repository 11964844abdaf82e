"""Whole UTC days: instants, lookback, and which of them overlap."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.day_range import DayRange

APRIL = date(2018, 4, 1)


def days(first: int, end: int) -> DayRange:
    """Days of April 2018, counted from 0."""
    return DayRange(APRIL + timedelta(days=first), APRIL + timedelta(days=end))


def test_a_range_of_days_knows_its_instants_and_its_lookback() -> None:
    april = days(0, 2)
    assert april.starts_at == datetime(2018, 4, 1, tzinfo=UTC)
    assert april.ends_at == datetime(2018, 4, 3, tzinfo=UTC)
    assert april.with_lookback(timedelta(days=1, hours=1)).first == date(2018, 3, 30)
    assert april.with_lookback(timedelta(days=1)).first == date(2018, 3, 31)
    with pytest.raises(TableError, match="is empty"):
        days(1, 1)
    with pytest.raises(TableError, match="dates, not times"):
        DayRange(datetime(2018, 4, 1, tzinfo=UTC), date(2018, 4, 2))
