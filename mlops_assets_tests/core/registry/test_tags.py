"""Both doors to one registry show the same."""

from pathlib import Path

import pytest

from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tags import RegisteredEntry, RegistryTags
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


@pytest.fixture(params=["sqlite", "mlflow"])
def tags(request: pytest.FixtureRequest, small: SmallRegistry) -> RegistryTags:
    return SqliteRegistryTags(small.file) if request.param == "sqlite" else MlflowRegistryTags(small.uri)


def test_a_door_shows_what_mlflow_wrote(small: SmallRegistry, tags: RegistryTags) -> None:
    client = mlflow_client(small.uri)
    client.set_registered_model_tag(PRODUCT, "b", "ü")
    client.set_registered_model_alias(PRODUCT, "champion", "2")
    client.set_model_version_tag(PRODUCT, "2", "note", "x")
    assert tags.model(PRODUCT) == RegisteredEntry({"b": "ü"}, {"champion": 2})
    found = tags.version(PRODUCT, 2)
    assert found is not None
    assert found.tags["note"] == "x"
    assert found == MlflowRegistryTags(small.uri).version(PRODUCT, 2)


def test_what_is_not_there_is_empty(tags: RegistryTags) -> None:
    assert tags.model("no_such") == RegisteredEntry()
    assert tags.version(PRODUCT, 9) is None
    assert (tags.versions(PRODUCT), tags.versions("no_such")) == ((1, 2, 3, 4), ())


def test_a_version_that_was_deleted_is_not_there(small: SmallRegistry, tags: RegistryTags) -> None:
    mlflow_client(small.uri).delete_model_version(PRODUCT, "4")
    assert tags.versions(PRODUCT) == (1, 2, 3)
    assert tags.version(PRODUCT, 4) is None
