"""The registry over a real MLflow on SQLite."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import INPUTS_TAG
from mlops_assets_tests.support.small_model import FEATURES, small_model, small_rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(home: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{home}/mlflow.db")


@pytest.fixture(scope="module")
def client(registry: ModelRegistry) -> MlflowClient:
    return mlflow_client(registry.tracking_uri)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture
def product(request: pytest.FixtureRequest, client: MlflowClient, home: Path) -> Iterator[str]:
    """A product of this test's own, with its experiment."""
    name = f"p{abs(hash(request.node.name)) % 10**9}"
    client.create_experiment(name, artifact_location=(home / "artifacts" / name).as_uri())
    yield name


def finished_run(client: MlflowClient, product: str, inputs: str = "abc", status: str = "FINISHED") -> str:
    experiment = client.get_experiment_by_name(product)
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id, tags={INPUTS_TAG: inputs}).info.run_id
    client.set_terminated(run_id, status)
    return run_id


def registered(registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel) -> int:
    run_id = finished_run(client, product)
    return registry.register(product, registry.log_model(run_id, model), run_id, digest=model.digest)


def test_a_registered_model_loads_back_with_its_calibrator_and_the_same_predictions(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    version = registered(registry, client, product, model)
    loaded = registry.load(product, version)
    rows = small_rows(seed=5)
    assert loaded == model
    assert loaded.calibrator.kind == "sigmoid"
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


def test_mlflows_own_flavour_loads_the_booster_without_unpickling(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel, home: Path
) -> None:
    run_id = finished_run(client, product)
    uri = registry.log_model(run_id, model)
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    files = {
        file.name
        for file in Path(logged.artifact_location.removeprefix("file://")).rglob("*")
        if file.is_file()
    }
    assert {"model.lgb", "model.json", "MLmodel", "requirements.txt"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".joblib", ".skops"))]
    import mlflow.lightgbm

    booster = mlflow.lightgbm.load_model(logged.artifact_location)
    rows = small_rows(seed=5)
    matrix = rows.select(FEATURES).to_pandas().to_numpy(dtype=float)
    np.testing.assert_array_equal(booster.predict(matrix), model.predict_raw(rows))


def test_logging_the_same_model_with_its_run_again_keeps_the_first(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    run_id = finished_run(client, product)
    assert registry.log_model(run_id, model) == registry.log_model(run_id, model)
    assert registry.log_model(run_id, model) != registry.log_model(run_id, small_model(seed=1))


def test_registering_the_same_model_of_the_same_run_again_gives_its_version(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    run_id = finished_run(client, product)
    uri = registry.log_model(run_id, model)
    versions = [registry.register(product, uri, run_id, digest=model.digest) for _ in range(2)]
    assert versions == [1, 1]
    assert registered(registry, client, product, small_model(seed=1)) == 2
    assert [found.version for found in registry.versions(product)] == [1, 2]


def _register_in_a_process(uri: str, product: str, model_uri: str, run_id: str, digest: str) -> int:
    return ModelRegistry(uri).register(product, model_uri, run_id, digest=digest)


def test_processes_that_register_the_same_model_at_once_agree_on_one_version(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    run_id = finished_run(client, product)
    arguments = (registry.tracking_uri, product, registry.log_model(run_id, model), run_id, model.digest)
    # A fork of a process with threads may find a lock held for ever.
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = [pool.submit(_register_in_a_process, *arguments) for _ in range(3)]
        versions = [one.result() for one in asked]
    assert len(set(versions)) == 1
    assert [found.version for found in registry.versions(product)] == versions[:1]


def test_only_a_finished_run_with_the_same_inputs_is_reused(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    assert registry.find_model_run("never_created", "abc") is None
    failed = finished_run(client, product, "abc", status="FAILED")
    registry.log_model(failed, model)
    finished_run(client, product, "abc")  # finished, but it made no model
    other = finished_run(client, product, "other inputs")
    registry.log_model(other, model)
    assert registry.find_model_run(product, "abc") is None
    found = registry.find_model_run(product, "other inputs")
    assert found is not None
    assert (found.run_id, found.digest) == (other, model.digest)


def test_a_model_file_that_was_changed_in_the_store_is_not_loaded(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel, home: Path
) -> None:
    version = registered(registry, client, product, model)
    (stored,) = (home / "artifacts" / product).rglob("extra_files/model.lgb")
    stored.write_text(stored.read_text().replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(RegistryError, match="does not match its digest"):
        registry.load(product, version)


def test_a_whole_other_model_in_the_place_of_the_registered_one_is_not_loaded(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel, home: Path
) -> None:
    version = registered(registry, client, product, model)
    (stored,) = (home / "artifacts" / product).rglob("extra_files/model.lgb")
    small_model(seed=1).save(stored.parent)
    with pytest.raises(RegistryError, match="was registered"):
        registry.load(product, version)


def test_a_missing_version_names_those_that_exist(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    with pytest.raises(RegistryError, match=f"{product} has no version 7; it has none yet"):
        registry.version(product, 7)
    registered(registry, client, product, model)
    with pytest.raises(RegistryError, match="it has 1"):
        registry.set_version_tags(product, 7, {})
