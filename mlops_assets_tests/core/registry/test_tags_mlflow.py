"""The door to a registry through MLflow's client: for every registry, and by page."""

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.registry.tags import RegisteredEntry
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry


def test_it_reads_what_is_registered(original_registry: SmallRegistry) -> None:
    tags = MlflowRegistryTags(original_registry.uri)
    assert tags.versions(PRODUCT) == (1, 2, 3, 4)
    entry = tags.version(PRODUCT, 2)
    assert entry is not None
    assert entry.model_uri.startswith("models:/")
    assert entry.created_at.tzinfo is not None


def test_what_is_not_there_is_empty(original_registry: SmallRegistry) -> None:
    tags = MlflowRegistryTags(original_registry.uri)
    assert (tags.model("no_such"), tags.versions("no_such"), tags.version(PRODUCT, 9)) == (
        RegisteredEntry(),
        (),
        None,
    )


def test_a_server_that_is_away_is_an_error_of_the_platform_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "TIMEOUT"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "0" if name != "TIMEOUT" else "1")
    give_up_soon()
    with pytest.raises(RegistryError, match="does not answer") as caught:
        MlflowRegistryTags("http://me:hunter2@127.0.0.1:1").versions(PRODUCT)
    assert "hunter2" not in str(caught.value)
