"""A small ASGI application: exact routes, bounded requests, JSON errors, and metrics of its own."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import Any, Protocol

import msgspec

from mlops_assets.core.errors import ServingError
from serving.http.bodies import Bodies, UnfinishedBodyError
from serving.http_errors import RefusedRequestError, refused
from serving.limits import (
    MAXIMUM_EVENTS,
    MAXIMUM_HEADERS,
    MAXIMUM_VALUES,
    SMALL_BODY,
    VALUES_PER_COLUMN,
)
from serving.turns import Turns

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_FAILED = "the service failed; its log says why"
_CLOSE = (b"connection", b"close")
_ENCODE = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """A request whose body was read."""

    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    received_at: int
    """Microseconds since the epoch, UTC."""
    started: float
    """On `perf_counter`, when the request's head was read."""

    def header(self, name: bytes) -> bytes | None:
        """Return a header's value; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)


class HttpAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer; a body of None is an empty one."""

    body: object = None
    """Anything that msgspec writes as JSON, or bytes that are sent as they are."""
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    media_type: bytes = b"application/json"


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer]]


Door = Callable[[str, list[tuple[bytes, bytes]]], None]
"""Raises RefusedRequestError when a path is not answered to who sent these headers."""


class Observer(Protocol):
    """Is told of every answer."""

    def __call__(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer of `endpoint`, a route's name."""
        ...


@dataclass(frozen=True)
class Endpoint:
    """The methods of one path."""

    name: str
    """For metrics: a path without its variable parts."""
    handlers: Mapping[str, Handler]
    refusal: Callable[[RefusedRequestError], object] = lambda error: error.refusal
    """Makes the body of a refusal."""


UNKNOWN = "other"
"""What metrics name every path that nobody knows."""


class HttpApp:
    """Answers every path but those that it `leaves`. Never raises: what is no known fault is a 500, logged."""

    def __init__(self, *, leaves: Collection[str] = ()) -> None:
        """Make an application that answers 404 everywhere, until it is told what to `serve`."""
        self._leaves = frozenset(leaves)
        self._endpoints: Mapping[str, Endpoint] = {}
        self._find: Callable[[str], Endpoint | None] = lambda _: None
        self._observe: Observer = _ignore
        self._bodies = Bodies()
        self._turns = Turns()
        self.door: Door | None = None

    def serve(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        find: Callable[[str], Endpoint | None],
        observe: Observer,
        columns: int = 0,
        turns: Turns | None = None,
    ) -> None:
        """Answer `endpoints` by exact path from now on; `find` looks up paths with variable parts.

        endpoints: by path. find: gives None for a path that it does not know. observe: is told of every answer.
        columns: of the product's events, which limit how many values a body may have. turns: in which large bodies are
        read.
        """
        self._endpoints, self._find, self._observe = endpoints, find, observe
        self._turns = turns or self._turns
        if columns:
            self._bodies.maximum_values = min(
                MAXIMUM_VALUES, VALUES_PER_COLUMN * MAXIMUM_EVENTS * (columns + 1)
            )

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the endpoint of a path, the same one for all that nobody knows; None when it is another's."""
        if path in self._leaves:
            return None
        return self._endpoints.get(path) or self._find(path) or _UNKNOWN

    def refuse_unread(self, status: int, message: str) -> bytes:
        """Count a request that could not be read, and return the body of its answer."""
        self._observe(_UNKNOWN.name, status, 0.0)
        return _ENCODE(RefusedRequestError(status, message).refusal)

    def closed(self, scope: Scope) -> Endpoint | None:
        """Return the endpoint that refuses a request for a path that is not ours; None when it may go on."""
        try:
            if self.door is not None:
                self.door(scope["path"], scope["headers"])
        except RefusedRequestError:
            return _UNKNOWN
        return None

    async def answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request to `endpoint`."""
        started = perf_counter()
        answer = await self._answer(endpoint, scope, receive, started)
        status, body = answer.status, b""
        try:
            body = _written(answer)
        except Exception:
            _log.exception("an answer of %s cannot be written", endpoint.name)
            status, body = 500, _written(_refusal(RefusedRequestError(500, _FAILED), endpoint))
        try:
            await _send(
                send, answer, status=status, body=b"" if scope["method"] == "HEAD" else body, length=len(body)
            )
        finally:
            self._observe(endpoint.name, status, perf_counter() - started)

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, started: float) -> HttpAnswer:
        method = scope["method"]
        handler = endpoint.handlers.get("GET" if method == "HEAD" else method)
        try:
            if self.door is not None:
                self.door(scope["path"], scope["headers"])
            if handler is None:
                raise _no_handler(endpoint)
            headers = scope["headers"]
            if len(headers) > MAXIMUM_HEADERS:
                raise RefusedRequestError(431, f"a request may have {MAXIMUM_HEADERS} headers")
            body = await self._bodies.read(headers, receive) if method == "POST" else b""
            if len(body) > SMALL_BODY:
                await self._turns.mine()
            return await handler(
                HttpRequest(scope["path"], scope["query_string"], headers, body, time_ns() // 1000, started)
            )
        except RefusedRequestError as error:
            return _refusal(error, endpoint)
        except ServingError as error:
            _log.warning("%s %s: %s", method, endpoint.name, error)
            return _refusal(refused(error), endpoint)
        except Exception:
            _log.exception("%s %s failed", method, endpoint.name)
            return _refusal(RefusedRequestError(500, _FAILED), endpoint)


_UNKNOWN = Endpoint(UNKNOWN, {})


def _no_handler(endpoint: Endpoint) -> RefusedRequestError:
    if not endpoint.handlers:
        return RefusedRequestError(404, "there is no such path: the page at / lists those that there are")
    return RefusedRequestError(405, f"{endpoint.name} takes {' or '.join(endpoint.handlers)}")


def _headers_of(error: RefusedRequestError, endpoint: Endpoint) -> list[tuple[bytes, bytes]]:
    if isinstance(error, UnfinishedBodyError):
        return [_CLOSE]
    if error.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    return [(b"allow", ", ".join(endpoint.handlers).encode())] if error.status == 405 else []


def _ignore(endpoint: str, status: int, seconds: float) -> None:
    """Observe nothing."""


def require_json(request: HttpRequest) -> None:
    """Refuse a body that is not declared as JSON.

    Raises: RefusedRequestError with 415.
    """
    declared = request.header(b"content-type") or b""
    if declared != b"application/json" and declared.split(b";")[0].strip().lower() != b"application/json":
        shown = declared.decode("latin-1")[:100] or "none"
        raise RefusedRequestError(415, f"content type must be application/json, not {shown}")


def _refusal(error: RefusedRequestError, endpoint: Endpoint) -> HttpAnswer:
    return HttpAnswer(endpoint.refusal(error), error.status, _headers_of(error, endpoint))


def _written(answer: HttpAnswer) -> bytes:
    content = answer.body
    return b"" if content is None else content if isinstance(content, bytes) else _ENCODE(content)


async def _send(send: Send, answer: HttpAnswer, *, status: int, body: bytes, length: int) -> None:
    headers = [
        *answer.headers,
        (b"content-type", answer.media_type),
        (b"content-length", str(length).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
