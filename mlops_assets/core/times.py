"""Times as the platform keeps them: UTC, to the microsecond, when a fact was known, and the days of a partition."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

import polars as pl

from mlops_assets.core.errors import FeatureError

KNOWN_AT = "known_at"
"""Column of the time from which the platform could know a row."""
UTC_TIME = pl.Datetime("us", "UTC")
"""Type of every column of times."""
MICROSECOND = timedelta(microseconds=1)
RFC_3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"
"""Format of a UTC time in JSON (RFC 3339), as Polars' `strftime` takes it."""
Period = Literal["day", "week", "month"]
"""How long a partition is: a UTC day, a week from Monday on, or a calendar month."""
LONGEST_DAYS: dict[Period, int] = {"day": 1, "week": 7, "month": 31}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970-01-01, UTC: how a time of `UTC_TIME` is stored.

    Raises: FeatureError when it has no time zone.
    """
    if moment.tzinfo is None:
        raise FeatureError(f"{moment} has no time zone: give UTC")
    return (moment - _EPOCH) // MICROSECOND


def shown_time(microseconds: int) -> str:
    """Return a stored time as people and JSON write it (RFC 3339, UTC); one outside of the calendar in words."""
    try:
        moment = _EPOCH + microseconds * MICROSECOND
    except OverflowError:
        return "a time outside of the calendar"
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def first_day_of(day: date, period: Period) -> date:
    """Return the first day of the period that holds a day."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def day_after(day: date, period: Period) -> date:
    """Return the first day after the period that holds a day."""
    first = first_day_of(day, period)
    if period == "month":
        return first_day_of(first + timedelta(days=LONGEST_DAYS["month"]), period)
    return first + timedelta(days=LONGEST_DAYS[period])
