"""A small view of visits, and captured requests for it."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from mlops_assets.core.features.view import FeatureView, WindowFeature

VIEW = FeatureView(
    "visits",
    "visit_id",
    "event_timestamp",
    (
        WindowFeature("count_{window}", "events", "person", "count", (timedelta(days=1),), "Visits."),
        WindowFeature(
            "paid_{window}", "events", "person", "sum", (timedelta(days=1),), "Paid.", column="paid"
        ),
    ),
)

DTYPES = {
    "visit_id": pl.Int64(),
    "event_timestamp": pl.Datetime("us", "UTC"),
    "known_at": pl.Datetime("us", "UTC"),
    "person": pl.String(),
    "paid": pl.Float64(),
}

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def rows(*versions: tuple[int, float, float, str | None, float | None]) -> pl.DataFrame:
    """Id, minute, minute known, person, paid."""
    content = [(i, minutes(at), minutes(known), person, paid) for i, at, known, person, paid in versions]
    return pl.DataFrame(content, schema=DTYPES, orient="row")


def captured(*events: tuple[int, float, float, str | None, float | None]) -> pl.DataFrame:
    """Predictions as the landing table holds them."""
    frame = rows(*events)
    requests = [
        json.dumps(
            {
                **{name: row[name] for name in ("visit_id", "person", "paid")},
                "event_timestamp": int(row["event_timestamp"].timestamp() * 1_000_000),
                "known_at": None,
                "not_read": [1],
            }
        )
        for row in frame.iter_rows(named=True)
    ]
    return frame.select("visit_id", "event_timestamp", "known_at", received_at="known_at").with_columns(
        request=pl.Series(requests)
    )
