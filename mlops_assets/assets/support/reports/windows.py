"""The windows that reports look at: trailing days for each day of a run, or all rows of a cohort."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self

import dagster as dg

from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange
from mlops_assets.core.product import Product

WHOLE = "all"


@dataclass(frozen=True)
class ReportWindow:
    """The rows that one report looks at: the days up to and with `end_day`, or all rows of a cohort."""

    days: DayRange | None
    end_day: date | None

    def since(self, time: datetime | None) -> Self:
        """Return the window from the day of a time on, if that is earlier than its own first day."""
        if self.days is None or time is None or time.date() >= self.days.first:
            return self
        return replace(self, days=replace(self.days, first=time.date()))

    @property
    def name(self) -> str:
        """The partition key, or `all`."""
        return WHOLE if self.end_day is None else self.end_day.isoformat()

    @property
    def words(self) -> str:
        """Its first and last UTC day, for people."""
        return "all rows" if self.days is None else self.days.words

    @property
    def partition(self) -> DayRange | None:
        """The one day of the report's own table that holds this window's result."""
        return self.end_day and DayRange(self.end_day, self.end_day + timedelta(days=1), "event_date")


def report_windows(
    context: dg.AssetExecutionContext, product: Product, column: DayColumn
) -> Iterator[ReportWindow]:
    """Yield a trailing window of `monitoring.window_days` for each day that the run materializes."""
    length = timedelta(days=product.spec.monitoring.window_days)
    for block in day_blocks(context, column):
        if block is None:
            yield ReportWindow(None, None)
            continue
        for offset in range((block.end - block.first).days):
            end = block.first + timedelta(days=offset + 1)
            yield ReportWindow(DayRange(end - length, end, column), end - timedelta(days=1))
