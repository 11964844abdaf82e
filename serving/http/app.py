"""A small ASGI application: exact routes, bounded bodies, JSON errors, and metrics of its own."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import Any, Protocol

import msgspec

from mlops_assets.core.errors import ServingError
from serving.http_errors import RefusedRequestError

MAXIMUM_BODY = 1_048_576
"""Bytes of a request's body: 1,000 events of 1 KB."""
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_FAILED = "the service failed; its log says why"
_JSON = (b"content-type", b"application/json")
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


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer]]


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


class HttpApp:
    """Answers its own paths; `covers` says which those are. Never raises: what is no known fault is a 500, logged."""

    def __init__(self) -> None:
        """Make an application that covers no path yet."""
        self._endpoints: Mapping[str, Endpoint] = {}
        self._find: Callable[[str], Endpoint | None] = lambda _: None
        self._observe: Observer = _ignore

    def serve(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        find: Callable[[str], Endpoint | None],
        observe: Observer,
    ) -> None:
        """Answer `endpoints` by exact path from now on; `find` looks up paths with variable parts."""
        self._endpoints, self._find, self._observe = endpoints, find, observe

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the endpoint of a path, or None when it is not ours."""
        return self._endpoints.get(path) or self._find(path)

    async def answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request to `endpoint`."""
        started = perf_counter()
        answer = await self._answer(endpoint, scope, receive, started)
        status, body = answer.status, b""
        try:
            body = _written(answer)
        except Exception:
            _log.exception("an answer of %s cannot be written", endpoint.name)
            status, body = 500, _written(_refusal(RefusedRequestError(500, _FAILED)))
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
            if handler is None:
                raise RefusedRequestError(405, f"{endpoint.name} takes {' or '.join(endpoint.handlers)}")
            headers = scope["headers"]
            body = await _body(headers, receive) if method == "POST" else b""
            return await handler(
                HttpRequest(scope["path"], scope["query_string"], headers, body, time_ns() // 1000, started)
            )
        except RefusedRequestError as error:
            allowed = [(b"allow", ", ".join(endpoint.handlers).encode())] if error.status == 405 else []
            return _refusal(error, allowed)
        except ServingError as error:
            return _refusal(RefusedRequestError(503, str(error)))
        except Exception:
            _log.exception("%s %s failed", method, endpoint.name)
            return _refusal(RefusedRequestError(500, _FAILED))


def _ignore(endpoint: str, status: int, seconds: float) -> None:
    """Observe nothing."""


async def _body(headers: list[tuple[bytes, bytes]], receive: Receive) -> bytes:
    for name, value in headers:
        if name == b"content-length" and int(value) > MAXIMUM_BODY:
            raise _too_large()
        if name == b"content-encoding" and value.lower() != b"identity":
            raise RefusedRequestError(415, "a compressed body is not read: send it as it is")
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAXIMUM_BODY:
            raise _too_large()
    return body


def require_json(request: HttpRequest) -> None:
    """Refuse a body that is not declared as JSON.

    Raises: RefusedRequestError with 415.
    """
    declared = request.header(b"content-type") or b""
    if declared != b"application/json" and declared.split(b";")[0].strip().lower() != b"application/json":
        shown = declared.decode("latin-1")[:100] or "none"
        raise RefusedRequestError(415, f"content type must be application/json, not {shown}")


def _too_large() -> RefusedRequestError:
    return RefusedRequestError(413, f"a body may have {MAXIMUM_BODY} bytes: send fewer events at once")


def _refusal(error: RefusedRequestError, headers: list[tuple[bytes, bytes]] | None = None) -> HttpAnswer:
    return HttpAnswer(error.refusal, error.status, headers or [])


def _written(answer: HttpAnswer) -> bytes:
    content = answer.body
    return b"" if content is None else content if isinstance(content, bytes) else _ENCODE(content)


async def _send(send: Send, answer: HttpAnswer, *, status: int, body: bytes, length: int) -> None:
    headers = [*answer.headers, _JSON, (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
