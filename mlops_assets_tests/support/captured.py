"""Captured predictions for tests."""

from datetime import UTC, datetime

from mlops_assets.core.serving.prediction_record import PredictionRecord, ServedRole
from mlops_assets.core.times import as_microseconds

FIRST = datetime(2018, 5, 20, tzinfo=UTC)


def captured_record(
    event_id: int | str,
    *,
    version: int = 1,
    role: ServedRole = "champion",
    at: datetime | None = FIRST,
    received_at: datetime = FIRST,
    score: float | None = 0.25,
    error: str | None = None,
) -> PredictionRecord:
    """One prediction of an event at `at`; with an `error` it has no score."""
    time = None if at is None else as_microseconds(at)
    is_scored = error is None
    return PredictionRecord(
        prediction_id=f"v{version}-{event_id}-0a1b2c3d",
        event_id=event_id,
        request={"amount_usd": 0.1 + 0.2, "event_timestamp": time},
        event_timestamp=time,
        known_at=time,
        received_at=as_microseconds(received_at),
        version=version,
        role=role,
        plan_sequence=1,
        features=(0.1 + 0.2, None) if is_scored else (),
        score=score if is_scored else None,
        threshold=0.5,
        decision=int((score or 0.0) >= 0.5) if is_scored else None,
        latency_seconds=0.001,
        error=error,
    )
