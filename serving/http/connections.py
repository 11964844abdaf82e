"""Bounds the connections of a worker: how many there are, how long each may wait, and what it may send.

BentoML starts uvicorn with settings of its own, none of which bounds the time of a head, its bytes (where httptools
parses) or the number of connections. uvicorn takes the class of its protocol from a table by name, and that is where a
class with these bounds is put (docs/upstream/bentoml-server-limits.md). It leans on what an asyncio protocol is, and on
some names of uvicorn's: where they are not as known, connections are as uvicorn leaves them, and a line says so.
"""

import asyncio
import logging
import resource
import sys
from math import inf
from typing import Any

from serving.http.app import HttpApp
from serving.limits import (
    ANSWER_SECONDS,
    BODY_SECONDS,
    HEAD_SECONDS,
    MAXIMUM_CONNECTIONS,
    MAXIMUM_HEAD,
    MAXIMUM_SENT,
    SPARE_FILES,
)

WATCH_SECONDS = 0.5
"""Between two looks at a connection."""
CLOSED_AT_ONCE = 20
"""Connections that are closed for a new one where there are as many as may be, so that not each looks at all."""
_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
_METHODS = (
    "connection_made",
    "data_received",
    "connection_lost",
    "on_response_complete",
    "send_400_response",
)
_OF_CONNECTION, _OF_REQUEST = {"cycle", "loop", "transport"}, {"response_complete", "more_body"}
_log = logging.getLogger(__name__)


def bound_connections(app: HttpApp) -> bool:
    """Let the server that uvicorn starts next in this process bound its connections; return whether it will.

    `app` counts what never becomes a request.
    """
    try:
        from uvicorn.config import HTTP_PROTOCOLS
        from uvicorn.protocols.http.auto import AutoHTTPProtocol

        protocols: dict[str, Any] = HTTP_PROTOCOLS
        protocols["auto"] = bounded_protocol(AutoHTTPProtocol, app)
    except (ImportError, AttributeError, TypeError) as error:
        _log.warning(
            "uvicorn is not as this version of mlops-assets knows it (%s): connections, heads and idle clients are not "
            "bounded. Let a proxy in front of the service do that.",
            error,
        )
        return False
    return True


def most_connections() -> int:
    """Return how many connections a worker may have: fewer than MAXIMUM_CONNECTIONS where it may open fewer files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAXIMUM_CONNECTIONS + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAXIMUM_CONNECTIONS
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, soft - SPARE_FILES)


def bounded_protocol(base: Any, app: HttpApp) -> Any:
    """Return a subclass of uvicorn's protocol class `base` that bounds its connections.

    Raises: AttributeError when that is not as known.
    """
    _check(base)

    class BoundedProtocol(base):
        """One connection."""

        watched: "set[_Bounds]" = set()  # noqa: RUF012 - all connections of the process share it
        most = 0

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            cls = type(self)
            cls.most = cls.most or most_connections()
            self._bounds = _Bounds(self, cls.watched, app)
            if len(cls.watched) > cls.most and not _make_room(cls.watched, but=self._bounds):
                self._bounds.refuse(503, "the service has as many connections as it may: come again later")

        def connection_lost(self, exc: Exception | None) -> None:
            self._bounds.end()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            bounds = self._bounds
            if not bounds.is_over and not bounds.is_too_long(data):
                super().data_received(data)
                bounds.received(len(data))

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._bounds.answered()

        def send_400_response(self, msg: str) -> None:
            self._bounds.refuse(400, f"this is no HTTP request: {msg}")

    return BoundedProtocol


def _check(base: Any) -> None:
    lacking = [name for name in _METHODS if not callable(getattr(base, name, None))]
    cycle = sys.modules[base.__module__].RequestResponseCycle
    lacking += _OF_CONNECTION - set(base.__init__.__code__.co_names)
    lacking += _OF_REQUEST - set(cycle.__init__.__code__.co_names)
    if lacking:
        raise AttributeError(f"{base.__name__} has no {', '.join(lacking)}")


class _Bounds:
    """What one connection has done since it opened, or since its last answer."""

    __slots__ = (
        "_app",
        "_head_at",
        "_is_first",
        "_protocol",
        "_received",
        "_timer",
        "_transport",
        "_watched",
        "is_over",
        "since",
    )

    def __init__(self, protocol: Any, watched: "set[_Bounds]", app: HttpApp) -> None:
        self._protocol, self._transport, self._watched, self._app = protocol, protocol.transport, watched, app
        self._received = 0
        self._head_at: float | None = None
        self._is_first = True
        self.is_over = False
        """Whether nothing that comes is read any more."""
        self.since: float = protocol.loop.time()
        """Since when it waits for a request."""
        self._timer = protocol.loop.call_later(WATCH_SECONDS, self._watch)
        watched.add(self)

    @property
    def waits(self) -> bool:
        """Whether no request of it is under way."""
        cycle = self._protocol.cycle
        return cycle is None or cycle.response_complete

    @property
    def _awaits_head(self) -> bool:
        """Whether what comes now is a head, and not the rest of a body that was answered before it was whole."""
        cycle = self._protocol.cycle
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    def is_too_long(self, data: bytes) -> bool:
        """Refuse a head that is longer than may be before it is read; it may come in one piece."""
        room = MAXIMUM_HEAD - self._received
        if len(data) <= room or not self._awaits_head or data.find(b"\r\n\r\n", 0, room + 4) >= 0:
            return False
        self.refuse(431, f"a request's line and headers may have {MAXIMUM_HEAD:,} bytes")
        return True

    def received(self, count: int) -> None:
        """Count what came: towards a head while there is none, else towards its request."""
        self._received += count
        if not self.waits and self._head_at is None:
            self._head_at, self._received = self._protocol.loop.time(), count
        elif self._received > MAXIMUM_SENT:
            self._abort()

    def answered(self) -> None:
        """Begin anew, for the next request."""
        self.since, self._head_at, self._received, self._is_first = self._protocol.loop.time(), None, 0, False

    def refuse(self, status: int, message: str) -> None:
        """Answer what is no request, and close."""
        if self.is_over or self._transport.is_closing():
            return
        if not self.waits:  # something else is being answered
            self._abort()
            return
        body = self._app.refuse_unread(status, message)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self._transport.write(head % (status, _REASONS[status], len(body)) + body)
        self.close()

    def close(self) -> None:
        """Close the connection, once its client has read what was written."""
        self.is_over, self.since = True, self._protocol.loop.time()
        self._watched.discard(self)
        self._transport.close()

    def end(self) -> None:
        """Look no more."""
        self.is_over = True
        self._watched.discard(self)
        self._timer.cancel()

    def _abort(self) -> None:
        self.end()
        self._transport.abort()

    def _watch(self) -> None:
        """Close the connection where it takes too long."""
        if self._transport.get_protocol() is not self._protocol:  # it speaks something else now
            self.end()
            return
        loop, transport = self._protocol.loop, self._transport
        self._timer = loop.call_later(WATCH_SECONDS, self._watch)
        waited, is_unread = loop.time() - self.since, transport.get_write_buffer_size() > 0
        if self.is_over or transport.is_closing() or (self.waits and is_unread):
            if waited > ANSWER_SECONDS:
                self._abort()
        elif self.waits:
            if waited > HEAD_SECONDS:
                self._end_waiting()
        elif self._protocol.cycle.more_body and loop.time() - (self._head_at or inf) > 2 * BODY_SECONDS:
            self._abort()  # the application refuses a body that is late; this is for what never looks at a body

    def _end_waiting(self) -> None:
        if self._received and self._is_first:
            self.refuse(408, f"a request's line and headers were not there within {HEAD_SECONDS:.0f} s")
        else:  # it asked for nothing
            self.close()


def _make_room(watched: set[_Bounds], *, but: _Bounds) -> bool:
    """Close those that wait for a request longest; return whether there were any."""
    waiting = [one for one in watched if one.waits and one is not but]
    for one in sorted(waiting, key=lambda one: one.since)[:CLOSED_AT_ONCE]:
        one.close()
    return bool(waiting)
