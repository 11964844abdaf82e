"""Blows: what a server that lets everything through is seen to have let through."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from mlops_assets.commands.drill.attack import blows
from mlops_assets.commands.drill.attack.drills import ATTACKS, Attack
from mlops_assets.commands.drill.stage import Stage

ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
)


class Elsewhere(Stage):
    """The stage, with another server."""

    where = ""

    @property
    def url(self) -> str:
        return self.where


def patient(connection: socket.socket) -> None:
    """Answer any whole request with 200, and wait for ever for the rest of one that is not."""
    with connection, contextlib.suppress(OSError):
        content = b""
        while piece := connection.recv(1 << 20):
            content = (content + piece)[: 1 << 21]
            head, end, body = content.partition(b"\r\n\r\n")
            declared = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if end and len(body) >= (int(declared[0].split(b":")[1]) if declared else 0):
                connection.sendall(ANSWER)
                return


@pytest.fixture
def elsewhere(stage: Stage) -> Iterator[Elsewhere]:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=patient, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        other = Elsewhere(stage.home)
        other.where = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield other
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.rehearsal
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.name)
def test_a_server_that_lets_everything_through_passes_no_attack(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, attack: Attack
) -> None:
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "SLACK_SECONDS"):
        monkeypatch.setattr(blows, name, 0.3)
    small = {
        "PATHS": 20,
        "IDLE": 20,
        "HALVES": 20,
        "SLOW": 5,
        "HISTORY_ROWS": 100,
        "LONG_HEAD_BYTES": 30_000_000,
    }
    for name, count in small.items():
        monkeypatch.setattr(blows, name, count)
    blow = attack.send(elsewhere)
    assert blow.planned > 0
    assert blow.felt < blow.planned, blow.words
