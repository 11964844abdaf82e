"""Connections of a real server: what waits, trickles or is too long is closed; others are answered meanwhile."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http import bodies
from serving.http import connections as module
from serving.http.app import Endpoint, HttpAnswer, HttpApp, HttpRequest
from serving.http.connections import bound_connections, bounded_protocol
from serving.http.fast_lane import FastLane

SECONDS = 0.4
"""Of every limit in time here."""
HEAD = b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@dataclass
class Running:
    """A server in a thread, and what it counted."""

    port: int
    protocol: Any
    counted: list[tuple[str, int]] = field(default_factory=list)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def is_answered(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/alive", timeout=20).status_code == 200


async def alive(_: HttpRequest) -> HttpAnswer:
    return HttpAnswer({"alive": True})


async def length(request: HttpRequest) -> HttpAnswer:
    return HttpAnswer(len(request.body))


async def large(_: HttpRequest) -> HttpAnswer:
    return HttpAnswer(b"x" * 30_000_000)


@pytest.fixture(params=[HttpToolsProtocol, H11Protocol])
def running(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(module, name, SECONDS)
    monkeypatch.setattr(bodies, "BODY_SECONDS", SECONDS)
    monkeypatch.setattr(bodies, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.05)
    app = HttpApp()
    found = Running(0, bounded_protocol(request.param, app))
    app.serve(
        {
            "/alive": Endpoint("/alive", {"GET": alive}),
            "/length": Endpoint("/length", {"POST": length}),
            "/large": Endpoint("/large", {"GET": large}),
        },
        find=lambda _: None,
        observe=lambda endpoint, status, _: found.counted.append((endpoint, status)),
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        found.port = listening.getsockname()[1]

        async def nothing(*_: object) -> None:
            raise AssertionError

        config = uvicorn.Config(
            FastLane(nothing, app),  # pyright: ignore[reportArgumentType]
            http=found.protocol,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=60,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield found
        finally:
            server.should_exit = True
            thread.join()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            content += piece
    return content


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /alive HTT", b"408"),
        (b"GET /alive HTTP/1.1\r\nhost: x\r\n", b"408"),
        (HEAD + b"content-length: 10\r\n\r\n123", b"408"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\n123\r\n", b"408"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET /alive HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", b"400"),
    ],
)
def test_what_is_not_whole_in_time_is_refused_and_closed(
    running: Running, sent: bytes, status: bytes
) -> None:
    with running.connect() as connection:
        connection.sendall(sent)
        assert running.is_answered()
        answer = read_all(connection)
    assert answer[9:12] == status
    if status:
        assert answer.endswith(b'"problems":[]}')
        assert running.counted.count(("/length" if sent.startswith(HEAD) else "other", int(status))) == 1


def test_a_head_that_trickles_is_no_way_around_the_time(running: Running) -> None:
    with running.connect() as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for letter in b"GET /alive HTTP/1.1\r\n" * 1000:
                connection.sendall(bytes([letter]))
                time.sleep(0.02)
                if running.counted:
                    break
        assert time.monotonic() - began < 20 * SECONDS
    assert running.counted == [("other", 408)]


@pytest.mark.parametrize("piece", [1000, 100_000])
def test_a_head_without_end_is_cut_off_at_its_limit(running: Running, piece: int) -> None:
    sent = 0
    with running.connect() as connection:
        connection.sendall(b"GET /alive HTTP/1.1\r\nx: ")
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                connection.sendall(b"y" * piece)
                sent += piece
    assert sent < 20_000_000
    assert running.counted[0] in [("other", 431), ("other", 400)]  # h11 has a limit of its own, of 64 KiB
    assert running.is_answered()


def test_a_large_head_in_one_piece_is_too_long_and_one_within_the_limit_is_not(running: Running) -> None:
    for size, status in ((30_000, b"200"), (33_000, b"431")):
        with running.connect() as connection:
            connection.sendall(
                b"GET /alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: " + b"y" * size + b"\r\n\r\n"
            )
            assert read_all(connection)[9:12] == status


def test_an_answer_before_the_body_came_ends_with_its_connection(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(HEAD + b"content-length: 2000000\r\n\r\n")
        assert connection.recv(65_536)[9:12] == b"413"
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 30:
                connection.sendall(b"1" * 1000)
                time.sleep(0.02)
        assert time.monotonic() - began < 30
    assert running.is_answered()


def test_a_body_without_end_is_cut_off(running: Running) -> None:
    sent = 0
    with running.connect() as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                connection.sendall(b"10000\r\n" + b"1" * 65_536 + b"\r\n")
                sent += 65_536
    assert sent < 40_000_000
    assert running.counted[0] == ("/length", 413)


def test_a_client_that_does_not_read_its_answer_is_closed(running: Running) -> None:
    with running.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline = time.monotonic() + 20
        while running.protocol.watched and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not running.protocol.watched


def test_a_connection_goes_on_as_long_as_it_asks(running: Running) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}") as client:
        began = time.monotonic()
        while time.monotonic() - began < 2 * SECONDS:
            assert (
                client.post("/length", content=b"123", headers={"content-type": "application/json"}).json()
                == 3
            )
            time.sleep(SECONDS / 4)
    assert len(running.protocol.watched) <= 1


def test_new_connections_take_the_place_of_those_that_wait_longest(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.protocol, "most", 10)
    monkeypatch.setattr(module, "CLOSED_AT_ONCE", 2)
    monkeypatch.setattr(module, "HEAD_SECONDS", 60.0)
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(running.connect()) for _ in range(40)]
        assert running.is_answered()
        assert len(running.protocol.watched) <= 10
        assert idle[0].recv(1) == b""


def test_where_all_are_busy_one_more_is_told_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.protocol, "most", 3)
    monkeypatch.setattr(bodies, "BODY_SECONDS", 60.0)
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            busy = opened.enter_context(running.connect())
            busy.sendall(HEAD + b"content-length: 10\r\n\r\n123")
        time.sleep(0.2)  # until their heads were read
        assert read_all(opened.enter_context(running.connect()))[9:12] == b"503"


def test_a_websocket_is_refused_and_leaves_nothing_behind(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(
            b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        )
        assert read_all(connection)[9:12] in (b"403", b"404")
    deadline = time.monotonic() + 20
    while running.protocol.watched and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running.protocol.watched


def test_the_class_is_put_where_uvicorn_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    assert bound_connections(HttpApp())
    config = uvicorn.Config(lambda _: None, log_config=None)  # pyright: ignore[reportArgumentType]
    config.load()
    assert config.http_protocol_class.__name__ == "BoundedProtocol"


class Another(asyncio.Protocol):
    """What a later uvicorn might have."""


def test_an_uvicorn_that_is_not_as_known_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("uvicorn.protocols.http.auto.AutoHTTPProtocol", Another)
    before = HTTP_PROTOCOLS["auto"]
    assert not bound_connections(HttpApp())
    assert HTTP_PROTOCOLS["auto"] == before
    assert "not bounded" in caplog.text
