"""Times: microseconds since 1970 in UTC, as the column type keeps them."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.times import MICROSECOND, RFC_3339, UTC_TIME, as_microseconds, shown_time

zones = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001


@given(moments)
def test_a_time_is_the_number_that_its_column_stores(moment: datetime) -> None:
    stored = pl.Series([moment.astimezone(UTC)], dtype=UTC_TIME).to_physical().item()
    assert as_microseconds(moment) == stored
    assert datetime(1970, 1, 1, tzinfo=UTC) + stored * MICROSECOND == moment


@given(moments)
def test_json_keeps_every_microsecond(moment: datetime) -> None:
    text = pl.Series([moment.astimezone(UTC)], dtype=UTC_TIME).dt.strftime(RFC_3339).item()
    assert datetime.fromisoformat(text) == moment


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(FeatureError, match="no time zone"):
        as_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001


@given(moments)
def test_a_stored_time_is_shown_as_json_writes_it(moment: datetime) -> None:
    assert (
        shown_time(as_microseconds(moment))
        == pl.Series([moment.astimezone(UTC)], dtype=UTC_TIME).dt.strftime(RFC_3339).item()
    )


@pytest.mark.parametrize("stored", [2**63 - 1, -(2**63)])
def test_a_time_of_no_year_is_no_number_for_people(stored: int) -> None:
    assert str(stored) not in shown_time(stored)
