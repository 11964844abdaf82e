"""Which door to a registry is taken."""

import sqlite3
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.open_tags import open_registry_tags
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets_tests.support.homes.small_registry import SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


def test_the_door_by_sql_is_taken_for_a_file_of_the_known_schema_only(small: SmallRegistry) -> None:
    assert isinstance(open_registry_tags(small.uri), SqliteRegistryTags)
    with sqlite3.connect(small.file) as connection:
        connection.execute("ALTER TABLE registered_model_tags ADD COLUMN later TEXT")
    assert isinstance(open_registry_tags(small.uri), MlflowRegistryTags)


def test_looking_for_a_registry_creates_none(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is no registry"):
        open_registry_tags(f"sqlite:///{tmp_path}/mlflow.db")
    assert not list(tmp_path.iterdir())
