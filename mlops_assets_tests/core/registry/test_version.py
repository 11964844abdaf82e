"""One registered version."""

import pytest
from mlflow import MlflowClient

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import INPUTS_TAG


def finished_run(client: MlflowClient, product: str, inputs: str = "abc", status: str = "FINISHED") -> str:
    experiment = client.get_experiment_by_name(product)
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id, tags={INPUTS_TAG: inputs}).info.run_id
    client.set_terminated(run_id, status)
    return run_id


def registered(registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel) -> int:
    run_id = finished_run(client, product)
    return registry.register(product, registry.log_model(run_id, model), run_id, digest=model.digest)


def test_a_missing_version_names_those_that_exist(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    with pytest.raises(RegistryError, match=f"{product} has no version 7; it has none yet"):
        registry.version(product, 7)
    registered(registry, client, product, model)
    with pytest.raises(RegistryError, match="it has 1"):
        registry.set_version_tags(product, 7, {})
