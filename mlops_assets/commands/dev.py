"""`mlops dev`: Dagster's web UI with its daemon, and MLflow's UI, as one command that Ctrl-C stops cleanly."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from mlops_assets.commands.dagster_home import ensure_dagster_home
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.settings import Settings

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 15.0


def run_dev(settings: Settings, *, dagster_port: int, mlflow_port: int, console: Console) -> None:
    """Start both UIs on loopback and wait until one ends or the process is interrupted; then stop both.

    Raises: PlatformError when a UI ends by itself, for example because its port is taken.
    """
    ensure_dagster_home(settings)
    commands = {
        "Dagster": _dagster_command(dagster_port),
        "MLflow": _mlflow_command(settings, mlflow_port),
    }
    console.print(
        f"Dagster http://{LOOPBACK}:{dagster_port}   MLflow http://{LOOPBACK}:{mlflow_port}   Ctrl-C stops both"
    )
    signal.signal(signal.SIGTERM, _interrupt)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(command, start_new_session=True, env=os.environ.copy())
        _wait(processes)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        _stop(list(processes.values()))


def _dagster_command(port: int) -> list[str]:
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    location = ["-w", str(workspace)] if workspace.is_file() else ["-m", "mlops_assets.definitions"]
    return [sys.executable, "-m", "dagster", "dev", *location, "--host", LOOPBACK, "--port", str(port)]


def _mlflow_command(settings: Settings, port: int) -> list[str]:
    # The server reads the same database; artifacts are served by it too, below the same root.
    store = [
        "--backend-store-uri",
        settings.tracking_uri,
        "--default-artifact-root",
        settings.mlflow_artifacts_uri,
    ]
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *store,
        "--host",
        LOOPBACK,
        "--port",
        str(port),
        "--workers",
        "1",
    ]


def _wait(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise PlatformError(
                    f"{name} ended with exit code {process.returncode}; is its port taken? See its log above"
                )
        time.sleep(0.5)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt each process group, and kill what has not ended in time."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
