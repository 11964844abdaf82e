"""The section `time` of a declaration: which days a product's data have, and how they are cut into partitions."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Self

from pydantic import model_validator

from mlops_assets.core.declared_types import Section
from mlops_assets.core.times import Period, day_after, first_day_of

WINDOW_DAYS: Mapping[object, int] = {"week": 7, "month": 35}
"""Length of a monitoring window where none is declared: whole weeks, and no day between two windows."""


class TimeAxis(Section):
    """The product's time axis; a product without one is a cohort, and its assets are unpartitioned."""

    start_date: date
    """First UTC day of the data; the first partition holds it."""
    end_date: date | None = None
    """First UTC day after the data; null when the data goes on."""
    partitions: Period = "day"
    """What is ingested, scored and reported at once: a UTC day, a week from Monday on, or a calendar month."""

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end_date is not None and self.end_date <= self.start_date:
            raise ValueError(f"end_date ({self.end_date}) must lie after start_date ({self.start_date})")
        return self

    def partition_key(self, day: date) -> str:
        """Return Dagster's key of the partition that holds a day: its first day, ISO."""
        return first_day_of(day, self.partitions).isoformat()

    def days_of(self, key: str) -> tuple[date, date]:
        """Return the days [first, end) of a partition that the data have."""
        first = date.fromisoformat(key)
        end = day_after(first, self.partitions)
        return max(first, self.start_date), min(end, self.end_date or end)

    def each_day_of(self, key: str) -> list[date]:
        """Return the days of a partition that the data have, in order."""
        first, end = self.days_of(key)
        return [first + timedelta(days=number) for number in range((end - first).days)]

    def days_over(self, keys: Iterable[str], *, today: date) -> set[date]:
        """Return the days of those partitions that are over.

        keys: also of before the product went over to longer partitions, one of which may be named like a day. today:
        UTC.
        """
        return {day for key in keys if self.days_of(key)[1] <= today for day in self.each_day_of(key)}

    def newest_of_days(self, numbers: Mapping[str, int]) -> dict[date, int]:
        """Return the largest number of each day; numbers: by the keys of partitions, also of other lengths than now."""
        newest: dict[date, int] = {}
        for key, number in numbers.items():
            for day in self.each_day_of(key):
                newest[day] = max(number, newest.get(day, number))
        return newest


def windows_that_hold_a_partition(declared: object) -> object:
    """Add `monitoring.window_days` to a declaration of long partitions that leaves it open; anything else stays."""
    if not isinstance(declared, Mapping) or not isinstance(declared.get("time"), Mapping):
        return declared
    days = WINDOW_DAYS.get(declared["time"].get("partitions"))
    monitoring = declared.get("monitoring", {})
    if days is None or not isinstance(monitoring, Mapping) or "window_days" in monitoring:
        return declared
    return {**declared, "monitoring": {**monitoring, "window_days": days}}
