"""Asks a server for its health again and again, as an orchestrator does, in a process of its own."""

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

PATHS = ("/livez", "/readyz")
PAUSE_SECONDS = 0.01
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class ProbeAnswer:
    """One answer."""

    path: str
    at: float
    """When it was asked for, on the monotonic clock."""
    seconds: float
    status: int
    """0 when there was no answer within TIMEOUT_SECONDS."""


class Probe:
    """What was answered; complete once the block of `probing` has ended."""

    def __init__(self) -> None:
        self.answers: list[ProbeAnswer] = []

    def since(self, moment: float, path: str) -> list[ProbeAnswer]:
        """The answers of a path that were asked for from a moment of the monotonic clock on."""
        return [one for one in self.answers if one.path == path and one.at >= moment]


@contextlib.contextmanager
def probing(url: str) -> Iterator[Probe]:
    """Probe the server at `url` while the block runs."""
    probe, command = Probe(), [sys.executable, "-m", __name__, url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():  # its first answer
            raise RuntimeError("the prober did not start")
        yield probe
    finally:
        told, _ = process.communicate()  # it ends with its input
        probe.answers = [ProbeAnswer(*json.loads(line)) for line in told.splitlines()]


def probe_until_told(url: str) -> None:
    """Write one line per answer until the input ends."""
    address = urlsplit(url)
    where = (address.hostname or "", address.port or 80)
    while not _has_ended():
        for path in PATHS:
            began = time.monotonic()
            status = _ask(where, path)
            sys.stdout.write(json.dumps([path, began, time.monotonic() - began, status]) + "\n")
            sys.stdout.flush()
        time.sleep(PAUSE_SECONDS)


def _has_ended() -> bool:
    """Whether the input has ended."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _ask(where: tuple[str, int], path: str) -> int:
    request = f"GET {path} HTTP/1.1\r\nhost: {where[0]}\r\nconnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection(where, timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
        return int(answer[9:12])
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    probe_until_told(sys.argv[1])
