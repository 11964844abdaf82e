"""`mlops dev`: Dagster's web UI with its daemon, MLflow's UI and the HTML reports, as one command that Ctrl-C stops."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from mlops_assets.automation.dead_runs import end_dead_runs
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.masking import masked
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.dagster_home import dagster_instance

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 15.0
MARK = "STARTED_BY_DEV"
"""Marks every process that one `mlops dev` started; without the prefix MLOPS_, which served bentos do not inherit."""
# MLflow's server would start seven processes that run jobs, of which the platform has none.
_SWITCHES = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def run_dev(
    settings: Settings, *, dagster_port: int, mlflow_port: int, reports_port: int, console: Console
) -> None:
    """Serve both UIs and the reports on loopback until one ends or the process is interrupted; then stop all.

    All end as well when this process is killed, with the runs that they started.

    With a tracking server elsewhere (MLFLOW_TRACKING_URI is http) only Dagster is started: that server has its own UI.

    settings: where everything is stored. dagster_port, mlflow_port, reports_port: of the three servers. console: where
    the addresses are shown.

    Raises: PlatformError when a port is taken, or a UI ends by itself.
    """
    require_free(dagster_port, option="--dagster-port")
    require_free(reports_port, option="--reports-port")
    _end_dead_runs(settings, console=console)
    commands = {
        "Dagster": _dagster_command(dagster_port),
        "Reports": _reports_command(settings.reports, reports_port),
    }
    os.environ.setdefault("MLOPS_REPORTS_URL", f"http://{LOOPBACK}:{reports_port}")
    os.environ.setdefault("MLOPS_DAGSTER_UI_URL", f"http://{LOOPBACK}:{dagster_port}")
    mlflow_address = masked(settings.tracking_uri)
    if not settings.tracking_uri.startswith(("http://", "https://")):
        require_free(mlflow_port, option="--mlflow-port")
        commands["MLflow"] = _mlflow_command(settings, mlflow_port)
        mlflow_address = f"http://{LOOPBACK}:{mlflow_port}"
        os.environ.setdefault("MLOPS_MLFLOW_UI_URL", mlflow_address)
    console.print(f"Dagster http://{LOOPBACK}:{dagster_port}   MLflow {mlflow_address}   Ctrl-C stops them")
    for asked in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(asked, _interrupt)
    mark = uuid.uuid4().hex
    with guarded(MARK, mark):
        _run(commands, {**_SWITCHES, **os.environ, MARK: mark}, console=console)


def _run(commands: dict[str, list[str]], environment: dict[str, str], *, console: Console) -> None:
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(command, start_new_session=True, env=environment)
        _wait(processes)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        _stop(list(processes.values()))


def _end_dead_runs(settings: Settings, *, console: Console) -> None:
    """Free the places of runs that were killed with an earlier `mlops dev`, or with the machine."""
    with dagster_instance(settings) as instance:
        for dead in end_dead_runs(instance, now=datetime.now(UTC)):
            console.print(f"run {dead.run.run_id} ({dead.run.job_name}) is marked as failed: {dead.why}")


def _dagster_command(port: int) -> list[str]:
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    location = ["-w", str(workspace)] if workspace.is_file() else ["-m", "mlops_assets.definitions"]
    return [sys.executable, "-m", "dagster", "dev", *location, "--host", LOOPBACK, "--port", str(port)]


def _reports_command(folder: Path, port: int) -> list[str]:
    # A browser does not follow a link from a page of http:// to a file.
    folder.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK, "--directory", str(folder)]


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
                    f"{name} ended with exit code {process.returncode}; its log above says why"
                )
        time.sleep(0.5)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt each process group; what has not ended in time, or at a second Ctrl-C, is killed: nothing is left."""
    for process in processes:
        _signal_group(process, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
    finally:
        for process in processes:
            _signal_group(process, signal.SIGKILL)  # also what outlived the process that had started it
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], signal_number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)


def require_free(port: int, *, option: str) -> None:
    """Raise PlatformError when the port on loopback is taken; `option` chooses another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PlatformError(
                f"port {port} is taken, perhaps by an earlier run: stop that, or choose another with {option}"
            ) from error


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
