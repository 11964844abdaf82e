"""The score of one arm, and that of a shadow, which is captured beside the answer of another arm."""

from collections.abc import Callable, Sequence

from mlops_assets.core.errors import PackagingError, PlatformError
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.arms import ScoringArm
from mlops_assets.core.serving.outcome import ScoredEvent
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record, prediction_id


def score_by(arm: ScoringArm, features: Sequence[float | None]) -> tuple[tuple[float | None, ...], float]:
    """Return the arm's own feature vector and its score.

    Raises: PackagingError for a score that is no probability; whatever the arm's model raises.
    """
    vector = arm.vector(features)
    score = arm.score(vector)
    if not 0.0 <= score <= 1.0:
        raise PackagingError(f"the score {score} is no probability")
    return vector, score


def failure_text(error: Exception) -> str:
    """Return why an arm failed, with the kind of the error unless the platform raised it."""
    return str(error) if isinstance(error, PlatformError) else f"{type(error).__name__}: {error}"


def score_silently(
    store: OnlineStore, shadow: ScoringArm, scored: Sequence[ScoredEvent], *, clock: Callable[[], float]
) -> list[PredictionRecord]:
    """Let a shadow score what others answered, and capture it beside; nobody waits for this.

    Raises: OnlineStoreError when the predictions cannot be captured.
    """
    records = []
    for one in scored:
        started = clock()
        vector, score, error = (), None, None
        try:
            vector, score = score_by(shadow, one.features)
        except (
            Exception
        ) as problem:  # whatever its model raises: it is captured, and the next event is scored
            error = failure_text(problem)
        record = one.record
        records.append(
            PredictionRecord(
                prediction_id=prediction_id(record.event_id, record.request, version=shadow.version),
                event_id=record.event_id,
                request=record.request,
                event_timestamp=record.event_timestamp,
                known_at=record.known_at,
                received_at=record.received_at,
                version=shadow.version,
                feature_view=shadow.view_digest,
                role="shadow",
                plan_sequence=record.plan_sequence,
                features=vector,
                score=score,
                threshold=shadow.threshold,
                decision=None if score is None else int(score >= shadow.threshold),
                latency_seconds=clock() - started,
                error=error,
            )
        )
    store.commit([], [encode_record(record) for record in records])
    return records
