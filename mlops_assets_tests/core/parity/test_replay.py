"""What a replay is made of: captured events from when they were captured, the lakehouse's rows from their own times."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets.core.parity.replay import captured_events, replay_of
from mlops_assets.core.parity.requests import compare_requests

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


def test_a_request_becomes_the_event_that_was_asked_in_the_lakehouses_types() -> None:
    predictions = captured((1, 0, 3, "ada", 12.1), (2, 1, 3, None, None), (1, 0, 3, "ada", 12.1))
    events = captured_events(VIEW, predictions, dtypes=DTYPES)
    assert events.select(DTYPES.keys()).equals(rows((1, 0, 3, "ada", 12.1), (2, 1, 3, None, None)))
    assert dict(events.schema) == {name: DTYPES[name] for name in VIEW.input_columns}


def test_the_first_of_contradicting_copies_of_an_event_stays() -> None:
    predictions = captured((1, 0, 3, "ada", 12.0), (1, 5, 7, "ada", 12.0), (1, 0, 9, "bob", 1.0))
    events = captured_events(VIEW, predictions, dtypes=DTYPES)
    assert events.select(DTYPES.keys()).equals(rows((1, 0, 3, "ada", 12.0), (1, 0, 9, "bob", 1.0)))


def test_a_request_that_is_none_is_refused() -> None:
    broken = captured((1, 0, 3, "ada", 12.0)).with_columns(request=pl.lit("{"))
    with pytest.raises(MonitoringError, match="view visits: captured requests cannot be read"):
        captured_events(VIEW, broken, dtypes=DTYPES)


def test_a_captured_event_is_seen_from_its_capture_on_and_not_from_the_lakehouses_time() -> None:
    served = captured_events(VIEW, captured((1, 0, 10, "ada", 5.0), (2, 8, 8, "ada", 7.0)), dtypes=DTYPES)
    history = rows((1, 0, 0, "ada", 5.0), (9, -60, -60, "ada", 100.0))
    replay = replay_of(VIEW, history, served, None)
    ids = pl.Series("visit_id", [2])
    assert replay.vectors(ids, VIEW.feature_names).tolist() == [[2.0, 107.0]]


def test_a_correction_that_the_lakehouse_learned_later_replaces_the_captured_event() -> None:
    events = captured((1, 0, 1, "ada", 5.0), (2, 8, 8, "ada", 7.0), (3, 20, 20, "ada", 7.0))
    served = captured_events(VIEW, events, dtypes=DTYPES)
    history = rows((1, 0, 0, "ada", 5.0), (1, 0, 10, "ada", 50.0), (2, 99, 10, "ada", 50.0))
    replay = replay_of(VIEW, history, served, None)
    ids = pl.Series("visit_id", [2, 3])
    assert replay.vectors(ids, VIEW.feature_names).tolist() == [[2.0, 12.0], [3.0, 64.0]]


def test_requests_are_compared_with_every_version_that_the_lakehouse_has() -> None:
    served = captured_events(
        VIEW, captured((1, 0, 1, "ada", 5.0), (2, 0, 8, "bob", 0.1), (3, 0, 8, "bob", 1.0)), dtypes=DTYPES
    )
    history = rows(
        (1, 0, 0, "ada", 4.0), (1, 0, 9, "ada", 5.0), (2, 120, 0, "bob", 0.1), (4, 0, 0, "eve", 1.0)
    )
    found = {row["feature"]: row for row in compare_requests(VIEW, history, served).iter_rows(named=True)}
    assert {name: (row["compared"], row["different"]) for name, row in found.items()} == {
        "event_timestamp": (2, 1),
        "person": (2, 0),
        "paid": (2, 0),
    }
    assert found["event_timestamp"]["example_id"] == "2"
    assert found["event_timestamp"]["largest_difference"] == 7200.0
    assert found["event_timestamp"]["diagnosis"].startswith("time zone")


def test_a_request_with_rounded_values_is_named() -> None:
    rounded = float(pl.Series([0.1], dtype=pl.Float32).cast(pl.Float64)[0])
    served = captured_events(VIEW, captured((1, 0, 1, "ada", rounded)), dtypes=DTYPES)
    found = compare_requests(VIEW, rows((1, 0, 0, "ada", 0.1)), served).filter(pl.col("different") > 0)
    assert found["feature"].to_list() == ["paid"]
    assert found["diagnosis"][0].startswith("float32 cast")
