"""A served prediction as it is captured: one record per scored event and arm, and its bytes."""

import hashlib
from typing import Literal

import msgspec

from mlops_assets.core.errors import ServingError
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.formats import other_format

FORMAT_VERSION = 1
ID_DIGITS = 32
"""Of a prediction's id that are of its request."""
EARLIER_ID_DIGITS = 8
"""The same in records of before: the first of them, so that a request that is sent again is known by either id."""
ServedRole = Literal["champion", "challenger", "shadow"]


class PredictionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, seen, answered, by whom and when. All times are microseconds since the epoch, UTC."""

    prediction_id: str
    """See `prediction_id`: the same request to the same version has the same id, however often it is sent."""
    event_id: int | str
    request: dict[str, Value]
    """The event as it was asked, by column; times as microseconds. Everything that the feature view reads."""
    event_timestamp: int | None
    """The event's own time; None for a cohort."""
    known_at: int | None
    """From when on later events may see this one: what was asked or the time of arrival, moved on to the newest time at
    which one of its entities was already scored. None for a cohort.
    """
    received_at: int
    """The server's clock when the request arrived."""
    version: int
    role: ServedRole
    plan_sequence: int
    """The release plan under which it was answered; 0 for a bento that serves without a plan."""
    features: tuple[float | None, ...] = ()
    """In the order of the version's own feature names; None is null. Empty when `error` is set."""
    score: float | None = None
    """Calibrated probability of outcome 1; None when `error` is set."""
    threshold: float | None = None
    decision: int | None = None
    """1 when score >= threshold, else 0; None when `error` is set."""
    latency_seconds: float = 0.0
    """From the request's arrival to just before the record was written; shared by the events of one request."""
    error: str | None = None
    """Why this arm gave no score; such a request was answered by the champion, or with a 5xx. A request that is sent
    again and answered then has a second record with the same `prediction_id`, a score and no error.
    """
    feature_view: str = ""
    """Digest of the view that `features` are of; empty in records of before it was written."""
    format_version: int = 1
    """Of these fields; not written while it is 1."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(PredictionRecord)


def encode_record(record: PredictionRecord) -> bytes:
    """Return the record as JSON; every float reads back to the same bits."""
    return _ENCODER.encode(record)


def decode_record(content: bytes) -> PredictionRecord:
    """Read what `encode_record` wrote.

    Raises: ServingError when it is none of ours, or of a later format.
    """
    try:
        record = _DECODER.decode(content)
    except msgspec.MsgspecError as error:
        _refuse_later(content)
        raise ServingError(f"captured record cannot be read: {error} in {content[:200]!r}") from error
    if record.format_version != FORMAT_VERSION:
        _refuse_later(content)
    return record


class _Format(msgspec.Struct):
    format_version: int = 1


def _refuse_later(content: bytes) -> None:
    """Raise ServingError when the content says that it is of another format."""
    try:
        found = msgspec.json.decode(content, type=_Format).format_version
    except msgspec.MsgspecError:
        return
    if found != FORMAT_VERSION:
        remedy = "collect the store with the version that served, then with this one"
        raise ServingError(other_format("captured record", found, readable=FORMAT_VERSION, remedy=remedy))


def prediction_id(event_id: int | str, request: dict[str, Value], *, version: int) -> str:
    """Return `v<version>-<event id>-<32 digits>`, the digits being the first 128 bits of SHA-256 over the request.

    Of so many, two requests do not have the same: an id tells a prediction from all others.
    """
    digest = hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()[:ID_DIGITS]
    return f"v{version}-{event_id}-{digest}"
