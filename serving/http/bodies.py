"""Reads the bodies of requests: whole, in time, and no more of them at once than memory was set aside for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from serving.http_errors import RefusedRequestError
from serving.limits import BODY_SECONDS, MAXIMUM_BODIES, MAXIMUM_BODY, MAXIMUM_VALUES

WATCH_SECONDS = 0.5
"""Between two looks for bodies that are late."""
_LENGTH_DIGITS = 10
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class UnfinishedBodyError(RefusedRequestError):
    """The rest of the body may still come, so that the connection cannot be used for another request."""


class Bodies:
    """Reads bodies for one event loop."""

    def __init__(self) -> None:
        """Make a reader that holds nothing yet."""
        self.maximum_values = MAXIMUM_VALUES
        self._held = 0
        self._clock = time.monotonic
        self._reading: dict[asyncio.Task[Any] | None, float] = {}
        """Since when each body is read, the oldest first."""
        self._late: set[asyncio.Task[Any] | None] = set()
        self._is_watched = False

    async def read(self, headers: list[tuple[bytes, bytes]], receive: _Receive) -> bytes:
        """Return a request's body, which came whole.

        Raises: RefusedRequestError with 400 for one that was cut off, or is not as long as it was declared; 408 for one
        that takes longer than BODY_SECONDS; 413 for one that is too large; 415 for one that is compressed; 503 when too
        many large ones are on their way.
        """
        declared = _declared_length(headers)
        task = asyncio.current_task()
        self._reading[task] = self._clock()
        if not self._is_watched:
            self._watch()
        try:
            message = await receive()
            is_whole = message["type"] == "http.request" and not message.get("more_body")
            body = message.get("body", b"") if is_whole else await self._rest(message, receive)
        except asyncio.CancelledError:
            if task is None or task not in self._late:
                raise
            task.uncancel()
            raise UnfinishedBodyError(408, f"the body was not there within {BODY_SECONDS:.0f} s") from None
        finally:
            del self._reading[task]
            self._late.discard(task)
        if len(body) > MAXIMUM_BODY:
            raise _too_large()
        if declared is not None and len(body) != declared:
            raise RefusedRequestError(
                400, f"the body has {len(body)} bytes, and was declared to have {declared}: it was cut off"
            )
        if body.count(b",") > self.maximum_values and _has_more_values(body, self.maximum_values):
            raise RefusedRequestError(
                413, f"a body may have {self.maximum_values:,} values: send fewer events at once"
            )
        return body

    def _watch(self) -> None:
        """End the reading of bodies that are late, now and until none is read: one timer for all costs nothing."""
        latest = self._clock() - BODY_SECONDS
        for task, since in list(self._reading.items()):
            if since > latest:
                break
            if task is not None and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._is_watched = bool(self._reading)
        if self._is_watched:
            asyncio.get_running_loop().call_later(WATCH_SECONDS, self._watch)

    async def _rest(self, message: Mapping[str, Any], receive: _Receive) -> bytes:
        """Join what comes; all that unfinished bodies hold is counted together."""
        pieces: list[bytes] = []
        length = 0
        try:
            while True:
                if message["type"] != "http.request":
                    raise RefusedRequestError(400, "the body was cut off: nothing was scored")
                pieces.append(message.get("body", b""))
                length += len(pieces[-1])
                self._held += len(pieces[-1])
                if length > MAXIMUM_BODY:
                    raise _too_large()
                if self._held > MAXIMUM_BODIES:
                    raise UnfinishedBodyError(
                        503, "too many large requests are on their way: send it again later"
                    )
                if not message.get("more_body"):
                    return b"".join(pieces)
                message = await receive()
        finally:
            self._held -= length


def _declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    declared = None
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit():
                raise RefusedRequestError(400, "content-length is no number of bytes")
            if len(value) > _LENGTH_DIGITS or (declared := int(value)) > MAXIMUM_BODY:
                raise _too_large()
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise RefusedRequestError(415, "a compressed body is not read: send it as it is")
    return declared


def _has_more_values(body: bytes, most: int) -> bool:
    """Whether a JSON text has more commas outside of its texts; one with so many texts has them for certain."""
    if body.count(b'"') > 4 * most:
        return True
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return sum(piece.count(b",") for piece in plain.split(b'"')[::2]) > most


def _too_large() -> RefusedRequestError:
    return RefusedRequestError(413, f"a body may have {MAXIMUM_BODY:,} bytes: send fewer events at once")
