"""A server on loopback that accepts connections and answers nothing, or a byte now and then, for tests."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_PAUSE_SECONDS = 0.2


@dataclass
class DeafServer:
    """Where it is, and whether anybody has asked it."""

    url: str
    asked: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def deaf_server(*, trickles: bool = False) -> Iterator[DeafServer]:
    """Serve during the block. One that trickles begins an answer and sends a byte of it every 0.2 s, without end."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = DeafServer(f"http://127.0.0.1:{listening.getsockname()[1]}")
        threading.Thread(target=_accept, args=(listening, server.asked, ended, trickles), daemon=True).start()
        yield server
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, asked: threading.Event, ended: threading.Event, trickles: bool) -> None:
    held = []
    with contextlib.suppress(OSError):
        while not ended.is_set():
            connection, _ = listening.accept()
            held.append(connection)
            asked.set()
            if trickles:
                threading.Thread(target=_trickle, args=(connection, ended), daemon=True).start()
    for connection in held:
        connection.close()


def _trickle(connection: socket.socket, ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
        )
        while not ended.wait(_PAUSE_SECONDS):
            connection.sendall(b" ")
