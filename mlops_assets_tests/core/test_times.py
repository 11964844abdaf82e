"""Times as whole microseconds."""

from datetime import UTC, datetime, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.times import RFC_3339, UTC_TIME, as_microseconds

# A day inside of what Python can hold, so that every zone has the time.
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001
MOMENTS = st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.timezones())


@given(MOMENTS)
def test_a_moment_is_counted_as_polars_stores_it(moment: datetime) -> None:
    assert as_microseconds(moment) == pl.Series([moment.astimezone(UTC)], dtype=UTC_TIME).to_physical()[0]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(FeatureError, match="no time zone"):
        as_microseconds(datetime(2018, 4, 1))  # noqa: DTZ001


def test_a_written_time_reads_back_to_the_microsecond() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)  # noqa: UP017
    (text,) = pl.Series([moment], dtype=UTC_TIME).dt.strftime(RFC_3339)
    assert (text, datetime.fromisoformat(text)) == ("1969-12-31T23:59:59.999999Z", moment)
