"""Whole UTC days of a partitioned table: what a run reads, and what it replaces."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Self

import polars as pl

from mlops_assets.core.errors import TableError

DayColumn = Literal["event_date", "known_date", "received_date"]


@dataclass(frozen=True)
class DayRange:
    """Whole UTC days [first, end) of a day column."""

    first: date
    end: date
    column: DayColumn = "event_date"

    def __post_init__(self) -> None:
        if isinstance(self.first, datetime) or isinstance(self.end, datetime):
            raise TableError(f"a day range takes dates, not times: {self.first!r} to {self.end!r}")
        if self.first >= self.end:
            raise TableError(f"day range of {self.column} is empty: first {self.first}, end {self.end}")

    def with_lookback(self, lookback: timedelta) -> Self:
        """Return the range with as many whole days before it as `lookback` touches."""
        days = -(-lookback // timedelta(days=1))
        return type(self)(self.first - timedelta(days=days), self.end, self.column)

    @property
    def starts_at(self) -> datetime:
        """First instant of the range, UTC."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """First instant after the range, UTC."""
        return datetime.combine(self.end, time(), UTC)

    def contains(self) -> pl.Expr:
        """Whether a row's day lies in the range; null for a null day."""
        return pl.col(self.column).is_between(self.first, self.end, closed="left")

    def predicate(self) -> str:
        """The same condition in Delta's SQL."""
        return f"{self.column} >= '{self.first}' AND {self.column} < '{self.end}'"

    def interval(self) -> str:
        """The days as an ISO 8601 interval, `first/end`."""
        return f"{self.first}/{self.end}"

    @property
    def words(self) -> str:
        """First and last day, for people."""
        return f"{self.first} to {self.end - timedelta(days=1)}"

    def overlaps(self, interval: str) -> bool:
        """Whether a day lies in both this range and an ISO 8601 interval of the same column."""
        first, end = (date.fromisoformat(day) for day in interval.split("/"))
        return self.first < end and first < self.end

    def __str__(self) -> str:
        """`event_date [first, end)`."""
        return f"{self.column} [{self.first}, {self.end})"


def rows_by_day(frame: pl.DataFrame, days: DayRange) -> dict[date, int]:
    """Rows of every day of the range, in order; a day without rows has 0."""
    counts = dict(frame.group_by(days.column).len().iter_rows())
    every = (days.first + timedelta(days=number) for number in range((days.end - days.first).days))
    return {day: counts.get(day, 0) for day in every}


def days_of(rows: pl.DataFrame, time: str | None) -> DayRange | None:
    """Return the days of events from the oldest to the newest of `rows` by their column `time`; None without either.

    A join with `events` then reads a week of it instead of all its history.
    """
    if time is None or rows.is_empty():
        return None
    day = pl.col(time).dt.date()
    first, last = rows.select(day.min().alias("first"), day.max().alias("last")).row(0)
    return DayRange(first, last + timedelta(days=1), "event_date")
