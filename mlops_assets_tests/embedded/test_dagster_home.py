"""Dagster's home: made once, the user's from then on."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.embedded.dagster_home import INSTANCE_YAML, dagster_instance, ensure_dagster_home


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("DAGSTER_HOME", "MLOPS_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    return load_settings({"MLOPS_HOME": str(tmp_path / "home")}, working_directory=tmp_path)


def test_a_missing_home_is_made_with_a_configuration_that_dagster_takes(settings: Settings) -> None:
    home = ensure_dagster_home(settings)
    assert home == settings.home / "dagster"
    assert yaml.safe_load((home / "dagster.yaml").read_text()) == yaml.safe_load(INSTANCE_YAML)
    assert (os.environ["DAGSTER_HOME"], os.environ["MLOPS_HOME"]) == (str(home), str(settings.home))
    with dagster_instance(settings) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled


def test_what_the_user_wrote_stays(settings: Settings) -> None:
    home = ensure_dagster_home(settings)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ensure_dagster_home(settings)
    assert (home / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_a_home_that_is_named_is_taken(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    assert ensure_dagster_home(settings) == tmp_path / "mine"
    assert not (settings.home / "dagster").exists()


@pytest.mark.parametrize(
    "code",
    [
        "from mlops_assets.definitions import defs; defs()",
        "from mlops_assets.cli import app; app(['doctor'], standalone_mode=False)",
    ],
)
def test_nobody_reads_about_the_parts_of_dagster_that_are_in_beta(code: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MLOPS_HOME": str(tmp_path), "PYTHONWARNINGS": "default"}
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    ).stderr
    assert "BetaWarning" not in told
