"""The windows that reports look at: trailing days for each partition of a run, or all rows of a cohort."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self

import dagster as dg

from mlops_assets.assets.support.day_blocks import days_of_run
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange
from mlops_assets.core.product import Product

WHOLE = "all"


@dataclass(frozen=True)
class ReportWindow:
    """The rows that one report looks at: the days up to and with `end_day`, or all rows of a cohort."""

    days: DayRange | None
    end_day: date | None
    partition: DayRange | None = None
    """The days of the report's own table that hold this window's result, and no other; None for a cohort."""
    partition_key: str | None = None
    """Dagster's key of the partition that ends with it; None for a cohort."""

    def since(self, time: datetime | None) -> Self:
        """Return the window from the day of a time on, if that is earlier than its own first day."""
        if self.days is None or time is None or time.date() >= self.days.first:
            return self
        return replace(self, days=replace(self.days, first=time.date()))

    @property
    def name(self) -> str:
        """Its last day, or `all`."""
        return WHOLE if self.end_day is None else self.end_day.isoformat()

    @property
    def words(self) -> str:
        """Its first and last UTC day, for people."""
        return "all rows" if self.days is None else self.days.words


def report_windows(
    context: dg.AssetExecutionContext, product: Product, column: DayColumn
) -> Iterator[ReportWindow]:
    """Yield a trailing window of `monitoring.window_days` for each partition that the run materializes."""
    length, time = timedelta(days=product.spec.monitoring.window_days), product.spec.time
    if time is None or not (context.has_partition_key_range or context.has_partition_key):
        yield ReportWindow(None, None)
        return
    day, after = days_of_run(context, time)
    while day < after:
        key = time.partition_key(day)
        first, end = time.days_of(key)
        yield ReportWindow(
            DayRange(end - length, end, column), end - timedelta(days=1), DayRange(first, end), key
        )
        day = end
