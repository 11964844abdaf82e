"""What another origin's page can send reaches nothing behind the guard; a person's own page and a program do."""

import socket
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mlops_assets.embedded.browser_guard import BrowserGuard, loopback_hosts
from mlops_assets_tests.support.processes.asgi_server import ask, serving

LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser sends when a person follows a link from another site."""
PAGE = {"Accept": "text/html,*/*"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A guarded application that says which request has reached it."""

    async def reached(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"reached by {request.method}")

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("reached")
        await websocket.close()

    routes = [
        Route("/{path:path}", reached, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
        WebSocketRoute("/graphql", talk),
    ]
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.getsockname()[1]
        hosts = loopback_hosts(number, ["Build-Box:8443"])
        with serving(BrowserGuard(Starlette(routes=routes), hosts=hosts), sock):
            yield number


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", PAGE),
        ("GET", "/", {**PAGE, **LINK}),
        ("GET", "/runs", {"Host": "localhost:PORT"}),
        ("GET", "/runs", {"Host": "LOCALHOST:PORT"}),
        ("GET", "/runs", {"Host": "build-box:8443", "Origin": "https://build-box:8443"}),
        ("GET", "/graphql", PAGE),
        ("POST", "/graphql", JSON),
        (
            "POST",
            "/graphql",
            {"Content-Type": "application/json; charset=utf-8", "Origin": "http://127.0.0.1:PORT"},
        ),
        ("POST", "/graphql", {**JSON, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}),
    ],
)
def test_the_own_page_a_followed_link_and_a_program_reach_it(
    port: int, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(port, method, path, headers)
    assert (answer.status_code, answer.text) == (200, f"reached by {method}")
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (403, "GET", "/", {"Host": "evil.example"}),
        (403, "GET", "/", {"Host": "evil.example:PORT"}),
        (403, "GET", "/", {"Host": "127.0.0.1"}),
        (403, "GET", "/", {"Host": "127.0.0.1:1"}),
        (403, "GET", "/", {"Host": "127.0.0.1.evil.example:PORT"}),
        (403, "POST", "/graphql", {**JSON, "Host": "evil.example:PORT", "Origin": "http://evil.example:PORT"}),
        (403, "POST", "/graphql", {**JSON, "Origin": "http://evil.example"}),
        (403, "POST", "/graphql", {**JSON, "Origin": "http://127.0.0.1:1"}),
        (403, "POST", "/graphql", {**JSON, "Origin": "http://localhost:PORT"}),
        (403, "POST", "/graphql", {**JSON, "Origin": "null"}),
        (403, "POST", "/graphql", {**JSON, "Sec-Fetch-Site": "same-site"}),
        (403, "POST", "/graphql", {**JSON, **LINK}),
        (403, "GET", "/graphql?query=%7B__typename%7D", {**PAGE, **LINK}),
        (403, "GET", "/", {**PAGE, **LINK, "Sec-Fetch-Dest": "iframe"}),
        (403, "GET", "/download", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        (403, "OPTIONS", "/graphql", {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
        (405, "GET", "/graphql?query=%7B__typename%7D", PAGE),
        (405, "GET", "/graphql?x=1&query=%7B__typename%7D", {"Sec-Fetch-Site": "same-origin"}),
        (405, "GET", "/graphql", {"Accept": "application/json"}),
        (415, "POST", "/graphql", {"Content-Type": "text/plain"}),
        (415, "POST", "/graphql", {"Content-Type": "text/plain; application/json"}),
        (415, "POST", "/graphql", {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, "POST", "/graphql", {"Content-Type": "application/graphql"}),
        (415, "POST", "/report_asset_materialization/one", {}),
        (415, "PUT", "/anything", {}),
        (415, "DELETE", "/anything", {}),
    ],
)  # fmt: skip
def test_what_another_origin_can_send_is_refused(
    port: int, status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(port, method, path, headers)
    assert answer.status_code == status
    assert answer.text.startswith("Refused: ")


@pytest.mark.parametrize("heads", ["", "Host: 127.0.0.1:PORT\r\nHost: evil.example\r\n"])
def test_a_request_with_no_host_or_two_is_refused(port: int, heads: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET / HTTP/1.0\r\n{heads.replace('PORT', str(port))}\r\n".encode())
        head = client.makefile("rb").readline()
    assert head.split()[1] in (b"400", b"403")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", None])
def test_a_websocket_of_another_origin_is_not_opened(port: int, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{port}/graphql", origin=origin):  # pyright: ignore[reportArgumentType]
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_of_a_foreign_name_is_not_opened(port: int) -> None:
    """As after DNS rebinding: the page's own origin, which is no name of this server."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        lines = [
            "GET /graphql HTTP/1.1", f"Host: evil.example:{port}", f"Origin: http://evil.example:{port}",
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
        ]  # fmt: skip
        client.sendall("\r\n".join(lines).encode())
        assert client.makefile("rb").readline().split()[1] == b"403"


def test_a_websocket_of_the_own_page_is_opened(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/graphql", origin=f"http://127.0.0.1:{port}") as websocket:  # pyright: ignore[reportArgumentType]
        assert websocket.recv() == "reached"
