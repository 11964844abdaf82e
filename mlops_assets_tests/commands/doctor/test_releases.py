"""The doctor on releases: what stands, and what MLflow does not show of it."""

from pathlib import Path

import pytest

from mlops_assets.commands.doctor.releases import release_checks, release_checkups
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path)


def found(small: SmallRegistry) -> list[tuple[str, str]]:
    settings = load_settings({"MLOPS_HOME": str(small.root)}, working_directory=small.root)
    return [(check.status, check.detail) for check in release_checks(settings, PRODUCT)]


def test_what_stands_is_told_and_mlflow_is_put_right(small: SmallRegistry) -> None:
    assert found(small) == [("ok", "0 decisions and plans; none stands")]
    small.release(1)
    client = mlflow_client(small.uri)
    client.set_registered_model_alias(PRODUCT, "champion", "3")
    stands = ("ok", "1 decisions and plans; plan 1: version 1 is the champion")
    moved = "MLflow: the alias champion stood on version 3: it is back on 1"
    assert found(small) == [stands, ("warning", moved)]
    assert found(small) == [stands]
    assert client.get_registered_model(PRODUCT).aliases == {"champion": 1}


def test_a_released_version_that_was_deleted_in_mlflow_is_a_warning(small: SmallRegistry) -> None:
    small.release(1)
    mlflow_client(small.uri).delete_model_version(PRODUCT, "1")
    (_, (status, told)) = found(small)
    assert status == "warning"
    assert "MLflow: version 1, the champion, was deleted there" in told


def test_a_lakehouse_that_lost_the_record_is_a_finding(small: SmallRegistry, tmp_path: Path) -> None:
    small.release(1)
    elsewhere = {"MLOPS_HOME": str(small.root), "MLOPS_TABLES_URI": str(tmp_path / "elsewhere")}
    settings = load_settings(elsewhere, working_directory=tmp_path)
    (checkup,) = release_checkups(settings, (PRODUCT,))
    (finding,) = checkup.findings()
    assert finding.status == "failed"
    assert "but there is none at" in finding.detail
