"""One registry for all tests of it; each test has a product of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets_tests.support.homes.empty_registry import give_empty_registry
from mlops_assets_tests.support.small_model import small_model


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    give_empty_registry(folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def registry(home: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{home}/mlflow.db")


@pytest.fixture(scope="session")
def client(registry: ModelRegistry) -> MlflowClient:
    return mlflow_client(registry.tracking_uri)


@pytest.fixture(scope="session")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture
def product(request: pytest.FixtureRequest, client: MlflowClient, home: Path) -> Iterator[str]:
    """A product of this test's own, with its experiment."""
    name = f"p{abs(hash(request.node.name)) % 10**9}"
    client.create_experiment(name, artifact_location=(home / "artifacts" / name).as_uri())
    yield name
