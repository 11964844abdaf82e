"""How new a product's data is."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.exporter.data_metrics import METRICS, NewestTimes, data_samples, days_behind
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.times import UTC_TIME
from mlops_assets_tests.support.exporter import numbers

AXIS = TimeAxis(start_date=date(2026, 1, 1), end_date=None)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
NEWEST = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)
COMMIT = CommitInfo(run_id="test")


def put(tables: DeltaTables, table: str, column: str, *times: datetime) -> None:
    rows = pl.DataFrame({column: pl.Series(times, dtype=UTC_TIME)}).with_columns(
        event_date=pl.col(column).dt.date()
    )
    days = DayRange(min(times).date(), date(2026, 4, 1))
    tables.write("shop", table, rows, days=days, commit=COMMIT)


@pytest.mark.parametrize(
    ("now", "end", "days"),
    [
        (datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC), None, 0),
        (datetime(2026, 3, 11, 23, 59, tzinfo=UTC), None, 0),
        (datetime(2026, 3, 12, 0, 0, tzinfo=UTC), None, 1),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), None, 9),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), date(2026, 3, 11), 0),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), date(2026, 3, 13), 2),
    ],
)
def test_data_are_behind_by_the_days_that_are_over_and_empty(
    now: datetime, end: date | None, days: int
) -> None:
    assert days_behind(TimeAxis(start_date=date(2026, 1, 1), end_date=end), NEWEST, now=now) == days


def test_what_was_never_materialized_has_no_number(tmp_path: Path) -> None:
    newest = NewestTimes(DeltaTables(str(tmp_path)))
    assert list(data_samples("shop", AXIS, newest, now=NOW)) == []


def test_the_newest_times_and_the_lag_follow_the_tables(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    put(tables, "events", "event_timestamp", NEWEST, datetime(2026, 3, 1, tzinfo=UTC))
    put(tables, "labels", "known_at", NEWEST)
    put(tables, "served_predictions", "received_at", NEWEST)
    newest = NewestTimes(tables)
    expected = {
        ("mlops_newest_event_timestamp_seconds", "shop"): NEWEST.timestamp(),
        ("mlops_newest_label_timestamp_seconds", "shop"): NEWEST.timestamp(),
        ("mlops_newest_collected_prediction_timestamp_seconds", "shop"): NEWEST.timestamp(),
        ("mlops_data_lag_seconds", "shop"): 9 * 86400.0,
    }
    assert numbers(data_samples("shop", AXIS, newest, now=NOW)) == expected
    assert {name for name, _ in expected} == {metric.name for metric in METRICS}
    later = datetime(2026, 3, 18, 1, tzinfo=UTC)
    put(tables, "events", "event_timestamp", later)
    found = numbers(data_samples("shop", AXIS, newest, now=NOW))
    assert found["mlops_newest_event_timestamp_seconds", "shop"] == later.timestamp()
    assert found["mlops_data_lag_seconds", "shop"] == 86400.0


def test_a_cohort_has_no_events_in_time(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    put(tables, "served_predictions", "received_at", NEWEST)
    found = numbers(data_samples("shop", None, NewestTimes(tables), now=NOW))
    assert [name for name, _ in found] == ["mlops_newest_collected_prediction_timestamp_seconds"]
