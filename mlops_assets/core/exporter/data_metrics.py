"""Numbers of a product's data: how new it is, and how far behind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.predictions.captured import TABLE as SERVED
from mlops_assets.core.times import first_day_of

NEWEST_EVENT = Metric(
    name="mlops_newest_event_timestamp_seconds",
    meaning="Time of the newest event; none for a cohort.",
)
NEWEST_LABEL = Metric(
    name="mlops_newest_label_timestamp_seconds",
    meaning="When the newest outcome became known; none for a cohort.",
)
NEWEST_SERVED = Metric(
    name="mlops_newest_collected_prediction_timestamp_seconds",
    meaning="When the newest request came of which the captured prediction was collected.",
)
LAG = Metric(
    name="mlops_data_lag_seconds",
    meaning="Whole UTC days after the newest event that are over, at most to the data's declared end.",
)
METRICS = (NEWEST_EVENT, NEWEST_LABEL, NEWEST_SERVED, LAG)


@dataclass(frozen=True)
class NewestTimes:
    """The newest times of tables; a table is read again when it has changed."""

    tables: DeltaTables
    _known: dict[tuple[str, str, str], tuple[int | None, datetime | None]] = field(default_factory=dict)

    def of(self, product: str, table: str, column: str) -> datetime | None:
        """Return the newest time of a column; None where there is none.

        Raises: TableError when the lakehouse does not answer.
        """
        version = self.tables.version(product, table)
        known = self._known.get((product, table, column))
        if known is None or known[0] != version:
            known = version, None if version is None else self._read(product, table, column)
            self._known[product, table, column] = known
        return known[1]

    def _read(self, product: str, table: str, column: str) -> datetime | None:
        return self.tables.scan(product, table).select(pl.col(column).max()).collect().item()


def data_samples(
    product: str, time: TimeAxis | None, newest: NewestTimes, *, now: datetime
) -> Iterator[Sample]:
    """Yield the numbers of a product's data at `now`; what was never materialized has none."""
    if time is not None:
        event = newest.of(product, "events", "event_timestamp")
        yield from _at(NEWEST_EVENT, product, event)
        yield from _at(NEWEST_LABEL, product, newest.of(product, "labels", "known_at"))
        if event is not None:
            behind = timedelta(days=days_behind(time, event, now=now))
            yield LAG.of(behind.total_seconds(), product)
    yield from _at(NEWEST_SERVED, product, newest.of(product, SERVED, "received_at"))


def days_behind(time: TimeAxis, newest_event: datetime, *, now: datetime) -> int:
    """Count the UTC days after the newest event's day whose partition is over, at most to the data's declared end."""
    over = first_day_of(now.date(), time.partitions)
    due = min(over, time.end_date) if time.end_date else over
    return max(0, (due - newest_event.date() - timedelta(days=1)).days)


def _at(metric: Metric, product: str, at: datetime | None) -> Iterator[Sample]:
    if at is not None:
        yield metric.of(at.timestamp(), product)
