"""Models as artifacts: they load back unchanged, in MLflow's own flavour too, and what was changed does not."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from mlops_assets.core.errors import PackagingError, RegistryError
from mlops_assets.core.model.golden_answers import require_golden_answers
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import GOLDEN_TAG, INPUTS_TAG
from mlops_assets_tests.support.small_model import FEATURES, small_model, small_rows


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


def test_a_run_keeps_what_its_model_answers_where_it_was_trained(
    registry: ModelRegistry, client: MlflowClient, product: str, model: TrainedModel
) -> None:
    run_id = finished_run(client, product)
    registry.log_model(run_id, model)
    stored = registry.run_tags(run_id)[GOLDEN_TAG]
    require_golden_answers(model, stored)
    with pytest.raises(PackagingError, match="golden row"):
        require_golden_answers(small_model(seed=5), stored)


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
