"""What is asked of scoring, and what comes of it: an answer per event, or an error for all of a request."""

from collections.abc import Iterator, Sequence

import msgspec

from mlops_assets.core.errors import ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.serving.prediction_record import PredictionRecord


class ScoringRequest(msgspec.Struct, frozen=True):
    """The events of one request, which are answered together or not at all."""

    events: Sequence[Event]
    received_at: int
    """Microseconds since the epoch, UTC."""
    started: float = 0.0
    """On the scoring's own clock, when the request arrived; for latencies."""


class ScoredEvent(msgspec.Struct, frozen=True):
    """An event's answer, and what a shadow needs to score it too."""

    record: PredictionRecord
    """Of the arm that answered."""
    features: tuple[float | None, ...]
    """In the order of `ReleasedArms.names`."""
    failed: PredictionRecord | None = None
    """Of the challenger that should have answered but raised."""


class UnansweredError(ServingError):
    """No arm could score an event, so that the request is answered with a 5xx; `failures` says which arms failed."""

    def __init__(self, message: str, *, failures: Sequence[PredictionRecord]) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


Outcome = list[ScoredEvent] | ServingError
"""What a request gets: an answer per event, or an error for all of them."""


def captured_of(outcome: Outcome) -> Iterator[PredictionRecord]:
    """Yield what is captured of a request: each answer and each failure of an arm."""
    if isinstance(outcome, UnansweredError):
        yield from outcome.failures
    elif not isinstance(outcome, ServingError):
        for scored in outcome:
            yield scored.record
            if scored.failed is not None:
                yield scored.failed
