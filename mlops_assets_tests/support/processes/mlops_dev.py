"""`mlops dev` in a process of its own on free ports, for tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_SECONDS = 300


@dataclass(frozen=True)
class RunningDev:
    """One command, with its home and its log in a folder."""

    process: subprocess.Popen[bytes]
    folder: Path
    dagster_port: int
    mlflow_port: int
    reports_port: int

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def log(self) -> str:
        """Return what it and its servers have said."""
        return (self.folder / "log").read_text("utf-8")

    def wait_for(self, port: int, path: str) -> httpx.Response:
        """Wait until this path is answered with 200."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5)
                if answer.status_code == httpx.codes.OK:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.3)
        raise AssertionError(f"port {port} does not answer {path}; the log ends with {self.log()[-2000:]}")


@contextmanager
def mlops_dev(folder: Path) -> Iterator[RunningDev]:
    """Start it on a fresh home while the block runs; then nothing of it is left."""
    dagster_port, mlflow_port, reports_port = free_ports(3)
    environment = {**os.environ, "MLOPS_HOME": str(folder / "home"), "DAGSTER_HOME": ""}
    options = ["--dagster-port", str(dagster_port), "--mlflow-port", str(mlflow_port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlops_assets.cli", "dev"),
                *options,
                "--reports-port",
                str(reports_port),
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield RunningDev(process, folder, dagster_port, mlflow_port, reports_port)
        finally:
            for left in [*descendants(process.pid), process]:
                left.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def descendants(pid: int) -> list[psutil.Process]:
    """Return what a process has started, and what that has started."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
