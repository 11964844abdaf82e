"""What `mlops metrics prometheus` writes and starts; the programs themselves run in `make test-servers`."""

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from mlops_assets.commands.metrics.prometheus import (
    CONFIGURATION,
    MonitorPorts,
    monitor_parts,
    run_monitor,
    write_configuration,
)
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.settings import load_settings

PORTS = MonitorPorts(prometheus=19090, alertmanager=19093, exporter=13003)
PROGRAMS = {"prometheus": "/usr/bin/prometheus", "alertmanager": "/usr/bin/prometheus-alertmanager"}


def targets(folder: Path) -> dict[str, list[str]]:
    files = sorted((folder / "targets").iterdir())
    return {file.stem: yaml.safe_load(file.read_text())[0]["targets"] for file in files}


def test_the_configuration_of_a_machine_is_the_deployed_one_with_other_targets(tmp_path: Path) -> None:
    write_configuration(CONFIGURATION, tmp_path / "used", ports=PORTS, services=["127.0.0.1:3001", "b:3001"])
    assert targets(tmp_path / "used") == {
        "alertmanagers": ["127.0.0.1:19093"],
        "exporter": ["127.0.0.1:13003"],
        "services": ["127.0.0.1:3001", "b:3001"],
    }
    for name in ("prometheus.yml", "rules/recording.yml", "rules/service_alerts.yml"):
        assert (tmp_path / "used" / name).read_bytes() == (CONFIGURATION / name).read_bytes()


def test_a_rule_that_is_gone_from_the_configuration_is_gone_where_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "used" / "rules").mkdir(parents=True)
    (tmp_path / "used" / "rules" / "old.yml").touch()
    write_configuration(CONFIGURATION, tmp_path / "used", ports=PORTS, services=[])
    assert not (tmp_path / "used" / "rules" / "old.yml").exists()


def test_a_folder_without_a_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path} has no prometheus.yml: .*--configuration"):
        write_configuration(tmp_path, tmp_path / "used", ports=PORTS, services=[])


def test_everything_listens_on_loopback_and_stores_below_the_home(tmp_path: Path) -> None:
    for part in monitor_parts(PROGRAMS, tmp_path, PORTS)[1:]:
        (address,) = [one for one in part.command if one.startswith("--web.listen-address=")]
        assert address.startswith("--web.listen-address=127.0.0.1:")
        (stored,) = [one for one in part.command if one.startswith(("--storage.tsdb.path", "--storage.path"))]
        assert stored.split("=")[1].startswith(str(tmp_path))
    assert "--cluster.listen-address=" in monitor_parts(PROGRAMS, tmp_path, PORTS)[2].command


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    with pytest.raises(ConfigurationError, match=r"prometheus is not installed.*apt-get install"):
        run_monitor(settings, ports=PORTS, services=[], configuration=None, console=Console(stderr=True))
    assert list(tmp_path.iterdir()) == []
