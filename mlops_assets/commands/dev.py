"""`mlops dev`: Dagster's web UI with its daemon, MLflow's UI and the HTML reports, as one command that Ctrl-C stops."""

import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from mlops_assets.automation.dead_runs import end_dead_runs
from mlops_assets.core.masking import masked
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.runtime.ports import LOOPBACK, require_free
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.browser_guard import loopback_hosts
from mlops_assets.embedded.children import Part, interrupt_when_asked, run_parts
from mlops_assets.embedded.code_server import code_server_command, write_workspace
from mlops_assets.embedded.dagster_home import dagster_instance
from mlops_assets.embedded.one_at_a_time import only_one

LOCAL = f"http://{LOOPBACK}"
LOCK_FILE = "dev.lock"
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

    Raises: PlatformError when a port is taken, another `mlops dev` runs on this home, or a UI ends by itself.
    RegistryGoneError when MLflow's server would make an empty registry in the place of one that is gone.
    """
    with only_one(settings.home / LOCK_FILE, what="mlops dev"):
        require_free(dagster_port, option="--dagster-port")
        require_free(reports_port, option="--reports-port")
        if is_local_mlflow := not settings.tracking_uri.startswith(("http://", "https://")):
            require_kept(settings.tracking_uri)
            require_free(mlflow_port, option="--mlflow-port")
        _end_dead_runs(settings, console=console)
        mlflow_address = f"{LOCAL}:{mlflow_port}" if is_local_mlflow else masked(settings.tracking_uri)
        links = {
            "MLOPS_REPORTS_URL": f"{LOCAL}:{reports_port}",
            "MLOPS_DAGSTER_UI_URL": f"{LOCAL}:{dagster_port}",
            **({"MLOPS_MLFLOW_UI_URL": mlflow_address} if is_local_mlflow else {}),
        }
        console.print(
            f"Dagster {LOCAL}:{dagster_port}   MLflow {mlflow_address}   Ctrl-C stops them", markup=False
        )
        interrupt_when_asked()
        mark = uuid.uuid4().hex
        with guarded(MARK, mark), TemporaryDirectory(prefix="mlops-dev-") as folder:
            parts = _dagster_parts(settings, Path(folder), port=dagster_port)
            parts.append(Part("Reports", _reports_command(settings, reports_port)))
            if is_local_mlflow:
                parts.append(Part("MLflow", _mlflow_command(settings, mlflow_port)))
            hosts = ",".join(sorted(loopback_hosts(mlflow_port, settings.dev_hosts)))
            switches = {**_SWITCHES, "MLFLOW_SERVER_ALLOWED_HOSTS": hosts, **links}
            run_parts(parts, {**switches, **os.environ, MARK: mark}, console=console)


def _end_dead_runs(settings: Settings, *, console: Console) -> None:
    """Free the places of runs that were killed with an earlier `mlops dev`, or with the machine."""
    with dagster_instance(settings) as instance:
        for dead in end_dead_runs(instance, now=datetime.now(UTC)):
            console.print(
                f"run {dead.run.run_id} ({dead.run.job_name}) is marked as failed: {dead.why}", markup=False
            )


def _dagster_parts(settings: Settings, folder: Path, *, port: int) -> list[Part]:
    """Dagster's code server, web UI and daemon, as `dagster dev` composes them, with the guard in front of the UI."""
    address, workspace = folder / "code.sock", folder / "workspace.yaml"
    declared = Path(__file__).parents[2] / "workspace.yaml"
    write_workspace(workspace, address=address, declared=declared if declared.is_file() else None)
    ui = ["-m", "mlops_assets.embedded.web_ui", str(workspace), str(address), str(port), *settings.dev_hosts]
    return [
        Part("Dagster's code server", code_server_command(address)),
        Part("Dagster", [sys.executable, *ui]),
        Part(
            "Dagster's daemon",
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)],
            after=address,
        ),
    ]


def _reports_command(settings: Settings, port: int) -> list[str]:
    settings.reports.mkdir(parents=True, exist_ok=True)
    server = "mlops_assets.embedded.reports_server"
    return [sys.executable, "-m", server, str(settings.reports), str(port), *settings.dev_hosts]


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
