"""Prometheus and Alertmanager on this machine: finds them, writes their configuration, and runs them together."""

import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from mlops_assets.commands.metrics.receivers import without_missing_secrets
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.runtime.ports import LOOPBACK, require_free
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.children import Part, interrupt_when_asked, run_parts
from mlops_assets.embedded.one_at_a_time import only_one

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "prometheus"
FOLDER = "prometheus"
"""Of the home: the configuration as it is used, and what Prometheus and Alertmanager store."""
LOCK_FILE = "prometheus.lock"
MARK = "STARTED_BY_PROMETHEUS"
"""Marks every process that one `mlops metrics prometheus` started."""
PACKAGES = "sudo apt-get install -y --no-install-recommends prometheus prometheus-alertmanager"
RETENTION = "15d"
_PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}


@dataclass(frozen=True, kw_only=True)
class MonitorPorts:
    """Ports on the loopback interface."""

    prometheus: int
    alertmanager: int
    exporter: int


def run_monitor(
    settings: Settings,
    *,
    ports: MonitorPorts,
    services: Sequence[str],
    configuration: Path | None,
    console: Console,
) -> None:
    """Run the exporter, Prometheus and Alertmanager on loopback until one ends or a person interrupts; then stop all.

    All end as well when this process is killed. What they store lies in FOLDER of the home.

    settings: of the home that is watched. ports: of the three. services: addresses of services, host and port.
    configuration: folder of `prometheus.yml`; None is the checkout's. console: where addresses are shown.

    Raises: ConfigurationError when a program is not installed, with the command that installs it, or the folder holds
    no configuration; PlatformError when a port is taken, one runs on this home already, or a part ends by itself.
    """
    programs = {name: _program(name) for name in _PROGRAMS}
    with only_one(settings.home / LOCK_FILE, what="mlops metrics prometheus"):
        for port, option in (
            (ports.prometheus, "--port"),
            (ports.alertmanager, "--alertmanager-port"),
            (ports.exporter, "--exporter-port"),
        ):
            require_free(port, option=option)
        folder = settings.home / FOLDER
        left_out = write_configuration(
            configuration or CONFIGURATION, folder / "configuration", ports=ports, services=services
        )
        for words in left_out:
            told = f"receiver {words}; `amtool alert query` shows its alerts"
            console.print(told, markup=False, soft_wrap=True)
        console.print(
            f"Prometheus http://{LOOPBACK}:{ports.prometheus}   Alertmanager http://{LOOPBACK}:{ports.alertmanager}"
            f"   exporter http://{LOOPBACK}:{ports.exporter}/metrics   Ctrl-C stops them",
            markup=False,
            soft_wrap=True,
        )
        interrupt_when_asked()
        mark = uuid.uuid4().hex
        with guarded(MARK, mark):
            run_parts(monitor_parts(programs, folder, ports), {**os.environ, MARK: mark}, console=console)


def write_configuration(
    source: Path, target: Path, *, ports: MonitorPorts, services: Sequence[str]
) -> tuple[str, ...]:
    """Put the configuration of `source` into `target`, with the addresses of this machine as targets.

    source, target: folders. ports: of Alertmanager and the exporter. services: what is scraped beside the exporter.

    Returns what receivers cannot tell here, see `without_missing_secrets`.

    Raises: ConfigurationError when `source` holds no configuration.
    """
    if not (source / "prometheus.yml").is_file():
        raise ConfigurationError(
            f"{source} has no prometheus.yml: name the folder with --configuration; a checkout has it as "
            "deploy/prometheus"
        )
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    targets = {
        "services": list(services),
        "exporter": [f"{LOOPBACK}:{ports.exporter}"],
        "alertmanagers": [f"{LOOPBACK}:{ports.alertmanager}"],
    }
    for name, addresses in targets.items():
        file = target / "targets" / f"{name}.yml"
        file.write_text(yaml.safe_dump([{"targets": addresses}]), encoding="utf-8")
    file = target / "alertmanager.yml"
    content, left_out = without_missing_secrets(file.read_text(encoding="utf-8"))
    file.write_text(content, encoding="utf-8")
    return left_out


def monitor_parts(programs: dict[str, str], folder: Path, ports: MonitorPorts) -> list[Part]:
    """Return the three processes; `folder` holds the configuration, and gets what they store."""
    configuration = folder / "configuration"
    exporter = [sys.executable, "-m", "mlops_assets.cli", "metrics", "serve", "--port", str(ports.exporter)]
    prometheus = [
        programs["prometheus"],
        f"--config.file={configuration / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={LOOPBACK}:{ports.prometheus}",
        "--log.level=warn",
    ]
    alertmanager = [
        programs["alertmanager"],
        f"--config.file={configuration / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={LOOPBACK}:{ports.alertmanager}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return [
        Part("the exporter", exporter),
        Part("Prometheus", prometheus),
        Part("Alertmanager", alertmanager),
    ]


def _program(name: str) -> str:
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    for command in _PROGRAMS[name]:
        if found := shutil.which(command, path=folders):
            return found
    raise ConfigurationError(f"{name} is not installed. On Debian and Ubuntu: {PACKAGES}")
