"""MLflow is brought up to the release record by a process of its own."""

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets import cli
from mlops_assets.commands.mirror import mirror_in_background
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry

WHO = ("--by", "ann", "--reason", "because")


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path)
    small.release(1)
    for version in (2, 3, 4):
        small.decide("approved", version)
    return small


def run(small: SmallRegistry, *arguments: str) -> str:
    """Output of a command that succeeds; its error is raised."""
    environment = {"MLOPS_HOME": str(small.root), "COLUMNS": "200", "MLFLOW_TRACKING_URI": ""}
    result = CliRunner().invoke(cli.app, list(arguments), env=environment)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_a_change_of_the_plan_is_shown_by_mlflow_from_a_process_of_its_own(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_assets.commands.release.mirror_in_background", mirror_in_background)
    run(small, "release", PRODUCT, "2", "--mode", "canary", *WHO)
    tags = MlflowRegistryTags(small.uri)
    deadline = time.monotonic() + 120
    while tags.model(PRODUCT).aliases != {"champion": 1, "challenger": 2}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
