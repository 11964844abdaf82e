"""The platform as a person runs it on one machine: `mlops serve` and `mlops dev` on a home, kept running."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from mlops_assets.commands.drill.home import PRODUCT, DrillHome

START_SECONDS = 180.0
STOP_SECONDS = 30.0
ASSETS = ("served_predictions", "online_features")
"""What runs make: one collects what was captured, one loads the online store."""


def _free_ports() -> tuple[int, int, int, int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        one, two, three, four = (server.getsockname()[1] for server in servers)
    return one, two, three, four


@dataclass
class Platform:
    """The two commands on one home; each is started again when it has ended."""

    home: DrillHome
    log: Path
    _ports: tuple[int, int, int, int] = field(default_factory=_free_ports)
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start both, and wait until they answer."""
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop both."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stack.close()

    @property
    def url(self) -> str:
        """Where the service answers."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Of every process of the platform."""
        return {**os.environ, "MLOPS_HOME": str(self.home.root), "DAGSTER_HOME": ""}

    def mend(self, *, patience: float = START_SECONDS) -> bool:
        """Start what has ended, as a supervisor of a host does; say whether all answered within `patience` seconds.

        Raises: RuntimeError when something does not answer within START_SECONDS; the log says why.
        """
        service, dagster, mlflow, reports = map(str, self._ports)
        commands = {
            "serve": ["serve", PRODUCT, "--port", service, "--workers", "2"],
            "dev": ["dev", "--dagster-port", dagster, "--mlflow-port", mlflow, "--reports-port", reports],
        }
        probes = {"serve": f"{self.url}/readyz", "dev": f"http://127.0.0.1:{dagster}/server_info"}
        deadline = time.monotonic() + patience
        while not all([self._is_up(name, command, probes[name]) for name, command in commands.items()]):
            if time.monotonic() > deadline and patience < START_SECONDS:
                return False
            if time.monotonic() > deadline:
                raise RuntimeError(f"not everything answers after {START_SECONDS:.0f} s: see {self.log}")
            time.sleep(0.2)
        return True

    def run(self, noun: str) -> bool:
        """Ask Dagster for a run that makes an asset; False when nobody answered, or the answer was no."""
        try:
            client = DagsterGraphQLClient("127.0.0.1", port_number=self._ports[1], timeout=20)
            client.submit_job_execution("__ASSET_JOB", asset_selection=[[PRODUCT, noun]])
        except (
            DagsterGraphQLClientError,
            OSError,
            KeyError,
        ):  # the client looks for a message that some refusals lack
            return False
        return True

    def command(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command beside everything else."""
        return self._started(list(arguments))

    def _is_up(self, name: str, command: list[str], probe: str) -> bool:
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            self._processes[name] = self._started(command)
            return False
        try:
            return httpx.get(probe, timeout=5.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _started(self, command: list[str]) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context(self.log.open("ab"))
        return subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.cli", *command],
            env=self.environment,
            cwd=self.home.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
