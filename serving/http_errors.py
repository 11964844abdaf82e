"""What a request that cannot be answered gets: a status, a sentence, and the fields that are wrong."""

import re

import msgspec

from mlops_assets.core.errors import (
    InvalidEventError,
    KnownEventError,
    OnlineStoreError,
    OversizedRequestError,
    ServingError,
)
from mlops_assets.core.masking import masked
from mlops_assets.core.serving.outcome import UnansweredError
from serving.limits import MAXIMUM_PROBLEMS, MAXIMUM_TEXT
from serving.store_breaker import PAUSE_SECONDS, StorePausedError

_PLACE = re.compile(
    r"""\b[a-z][a-z0-9+.\-]*://[^\s'",;)]+"""  # an address
    r"""|(?<![\w/.<>])~?/[^\s'",;:)]*[^\s'",;:).]"""  # an absolute path
    r"""|(?<!\w)[A-Za-z]:\\[^\s'",;)]+"""  # one of Windows
)


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
    """A request that is answered with `status`, 4xx or 503, and a `Refusal`.

    Texts may quote what was sent: they are cut to MAXIMUM_TEXT, and what no answer can carry is shown as a mark.
    """

    def __init__(self, status: int, message: str, problems: list[Problem] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.refusal = Refusal(
            quotable(message),
            [
                Problem(quotable(one.message), one.field and quotable(one.field), one.event)
                for one in (problems or [])[:MAXIMUM_PROBLEMS]
            ],
        )


def quotable(text: str) -> str:
    """Return the text as an answer may carry it: of bounded length, and without halves of characters."""
    cut = text if len(text) <= MAXIMUM_TEXT else f"{text[: MAXIMUM_TEXT - 1]}…"
    return cut.encode(errors="replace").decode()


def without_places(text: str) -> str:
    """Return what an error said, for people who are not to learn where things lie: addresses and paths are left out."""
    return _PLACE.sub("…", masked(text))


def refused(error: ServingError) -> RefusedRequestError:
    """Return how an error of scoring is answered: 422 or 409 for the event's fault, 503 for ours.

    What a store or a model said of itself is for the log; a client learns what it may do.
    """
    if isinstance(error, RefusedRequestError):
        return error
    if isinstance(error, InvalidEventError):
        status = 409 if isinstance(error, KnownEventError) else 422
        problem = Problem(str(error), field=error.field, event=error.event)
        return RefusedRequestError(status, "an event cannot be scored as it was sent", [problem])
    if isinstance(error, OversizedRequestError):
        return RefusedRequestError(413, str(error))
    where = "the online store" if isinstance(error, OnlineStoreError) else "the model"
    left = "nothing was recorded: send it again later"
    if isinstance(error, StorePausedError):
        left = f"nothing was recorded: it was slow a moment ago, and it is asked again within {PAUSE_SECONDS:.0f} s"
    if isinstance(error, OnlineStoreError) and error.may_be_done:
        left = "it may have been recorded: sent again, it gets the answer that it would have got"
    if isinstance(error, UnansweredError):
        left = "the failure was recorded and no state changed, so that it may be sent again"
    return RefusedRequestError(
        503, f"{where} cannot serve this request now; {left}. The service's log says why."
    )
