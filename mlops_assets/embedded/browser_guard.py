"""Keeps pages of other origins away from a local server: a middleware that reads what the browser says of them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HOSTS_SETTING = "MLOPS_DEV_HOSTS"
_GRAPHQL = "/graphql"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """Why a request is not passed on."""

    status: HTTPStatus
    why: str


def loopback_hosts(port: int, more: Iterable[str] = ()) -> frozenset[str]:
    """Return the values of `Host` under which a server on this port of the loopback interface may be addressed."""
    return frozenset({*(f"{name}:{port}" for name in LOOPBACK_NAMES), *(name.lower() for name in more)})


class BrowserGuard:
    """Passes on what a person's own browser page of the same origin, or a program, asks; answers the rest itself.

    - `Host` is one of the known names with the port, so that a foreign name that resolves to this machine (DNS
      rebinding) reaches nothing.
    - `Origin`, where a browser sends it, is the origin that `Host` names; a WebSocket always has one.
    - By `Sec-Fetch-Site` the page that asks is of the same origin. A link that a person follows may come from
      elsewhere: it opens a page of its own and changes nothing.
    - What changes something is JSON, which no page can send to another origin unasked. A GraphQL query is never a GET.

    It adds `X-Frame-Options`, so that no page can show this one inside itself.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = refusal_of(scope, headers, hosts=self._hosts)
        if refusal is None:
            await self._app(scope, receive, _unframed(send))
            return
        _log.warning("refused %s %s: %s", scope.get("method", "WebSocket"), scope["path"], refusal.why)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})  # answered as 403
            return
        answer = PlainTextResponse(f"Refused: {refusal.why}\n", status_code=refusal.status)
        await answer(scope, receive, send)


def refusal_of(scope: Scope, headers: Headers, *, hosts: frozenset[str]) -> Refusal | None:
    """Return why a request with these headers is refused, or None; `hosts` are the values of `Host` that are known."""
    named = [name.lower() for name in headers.getlist("host")]
    if len(named) != 1 or named[0] not in hosts:
        return _forbidden(
            "this server is not known by the name in Host; open it as http://127.0.0.1 with its port, or add the name "
            f"with its port to {HOSTS_SETTING}"
        )
    return _refused_origin(scope, headers, host=named[0]) or _refused_kind(scope, headers)


def _refused_origin(scope: Scope, headers: Headers, *, host: str) -> Refusal | None:
    origins = headers.getlist("origin")
    if any(origin.lower() not in (f"http://{host}", f"https://{host}") for origin in origins):
        return _forbidden("the page that asks has another origin")
    if scope["type"] == "websocket":
        return None if origins else _forbidden("a WebSocket needs an Origin")
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none") or _is_followed_link(scope, headers):
        return None
    return _forbidden("the page that asks has another origin")


def _is_followed_link(scope: Scope, headers: Headers) -> bool:
    is_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_page and scope["method"] == "GET" and not _is_graphql(scope)


def _refused_kind(scope: Scope, headers: Headers) -> Refusal | None:
    if scope["type"] == "websocket" or scope["method"] == "HEAD":
        return None
    if scope["method"] == "GET":
        is_query = "query" in QueryParams(scope["query_string"]) or "text/html" not in headers.get(
            "accept", ""
        )
        if _is_graphql(scope) and is_query:
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "send a GraphQL query as a POST of JSON")
        return None
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send it as application/json")
    return None


def _is_graphql(scope: Scope) -> bool:
    return scope["path"].rstrip("/") == _GRAPHQL


def _forbidden(why: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, why)


def _unframed(send: Send) -> Send:
    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Frame-Options"] = "SAMEORIGIN"
        await send(message)

    return with_header
