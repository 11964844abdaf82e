"""What a request that cannot be answered gets: a status, a sentence, and the fields that are wrong."""

import msgspec

from mlops_assets.core.errors import InvalidEventError, KnownEventError, OnlineStoreError, ServingError
from mlops_assets.core.serving.scoring import UnansweredError

MAXIMUM_PROBLEMS = 20
"""Faults that one answer lists."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault of a request."""

    message: str
    field: str | None = None
    """Column of the event, or part of the request."""
    event: int | None = None
    """Place of the event in the request, from 0."""


class Refusal(msgspec.Struct, frozen=True):
    """Body of every answer that is no success."""

    message: str
    problems: list[Problem]


class RefusedRequestError(ServingError):
    """A request that is answered with `status`, 4xx or 503, and a `Refusal`."""

    def __init__(self, status: int, message: str, problems: list[Problem] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.refusal = Refusal(message, problems or [])


def refused(error: ServingError) -> RefusedRequestError:
    """Return how an error of scoring is answered: 422 or 409 for the event's fault, 503 for ours."""
    if isinstance(error, RefusedRequestError):
        return error
    if isinstance(error, InvalidEventError):
        status = 409 if isinstance(error, KnownEventError) else 422
        problem = Problem(str(error), field=error.field, event=error.event)
        return RefusedRequestError(status, "an event cannot be scored as it was sent", [problem])
    where = "the online store" if isinstance(error, OnlineStoreError) else "the model"
    left = "nothing was recorded"
    if isinstance(error, OnlineStoreError) and error.may_be_done:
        left = "it may have been recorded (sent again, it gets the answer that it would have got)"
    if isinstance(error, UnansweredError):
        left = "the failure was recorded and no state changed, so that it may be sent again"
    return RefusedRequestError(503, f"{where} cannot serve this request now; {left}: {error}")
