"""The registry over a real MLflow on SQLite."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from mlflow import MlflowClient

from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import INPUTS_TAG
from mlops_assets_tests.support.small_model import small_model


def finished_run(client: MlflowClient, product: str, inputs: str = "abc", status: str = "FINISHED") -> str:
    experiment = client.get_experiment_by_name(product)
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id, tags={INPUTS_TAG: inputs}).info.run_id
    client.set_terminated(run_id, status)
    return run_id


def registered(registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel) -> int:
    run_id = finished_run(client, product)
    return registry.register(product, registry.log_model(run_id, model), run_id, digest=model.digest)


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
