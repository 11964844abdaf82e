"""A real MLflow tracking server on a free port of the loopback interface, with its files in a folder, for tests."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mlops_assets_tests.support.homes.empty_registry import give_empty_registry

START_SECONDS = 120.0


@dataclass
class MlflowServer:
    """One server; `stop` ends it with its workers."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", self.port))
            self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "MlflowServer":
        """Start it and wait until it answers; clients read and write artifacts through it."""
        give_empty_registry(self.folder / "mlflow.db")
        stores = ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        stores += ["--artifacts-destination", str(self.folder / "artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", *stores, "--host", "127.0.0.1"]
        with (self.folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--workers", "1"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # half of its start
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "mlflow.log").read_text())
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself, and left nobody
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
