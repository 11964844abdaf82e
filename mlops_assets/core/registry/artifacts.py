"""Stores a trained model with an MLflow run as a logged model, and reads it back.

MLflow's own LightGBM flavour lies beside our folder (`model.lgb`, `model.json`): any MLflow tool can load the
booster, and the calibrator travels with it.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_assets.core.errors import PackagingError, RegistryError
from mlops_assets.core.files import LARGEST_DOCUMENT_BYTES, require_size
from mlops_assets.core.model.golden_answers import answers_to_json, golden_answers
from mlops_assets.core.model.trained_model import (
    BOOSTER_FILE,
    DOCUMENT_FILE,
    LARGEST_TEXT_BYTES,
    TrainedModel,
)
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import DIGEST_TAG, GOLDEN_TAG, MODEL_DIGEST_TAG, MODEL_URI_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FOLDER = "extra_files"  # where MLflow puts a flavour's extra files
_LIMITS = {BOOSTER_FILE: LARGEST_TEXT_BYTES, DOCUMENT_FILE: LARGEST_DOCUMENT_BYTES}
"""Name to most bytes of a model's files."""
_SCHEME = "models:/"
_REQUIREMENTS = ("lightgbm", "mlflow", "numpy", "pandas")


@dataclass(frozen=True)
class LoggedRun:
    """A finished MLflow run and the model that it made."""

    run_id: str
    model_uri: str
    digest: str


def log_model(
    tracking_uri: str, run_id: str, model: TrainedModel, *, tags: Mapping[str, str] | None = None
) -> str:
    """Store `model` with the run and return its `models:/m-…` URI; a run that has this very model keeps it.

    The MLflow signature takes doubles, missing as NaN, and MLflow's flavour answers the booster's probability
    before calibration. No example rows are stored: they would be data about persons.
    """
    client = mlflow_client(tracking_uri)
    run = client.get_run(run_id)
    if run.data.tags.get(MODEL_DIGEST_TAG) == model.digest and MODEL_URI_TAG in run.data.tags:
        return run.data.tags[MODEL_URI_TAG]
    model_tags = {**(tags or {}), DIGEST_TAG: model.digest}
    logged = client.create_logged_model(
        run.info.experiment_id, "model", run_id, model_tags, run.data.params, "lightgbm"
    )
    with tempfile.TemporaryDirectory() as folder:
        _write_flavour(Path(folder) / "model", model, run_id=run_id, model_id=logged.model_id)
        client.log_model_artifacts(logged.model_id, str(Path(folder) / "model"))
    client.finalize_logged_model(logged.model_id, "READY")
    _link_to_run(client, run_id, logged.model_id)
    uri = f"{_SCHEME}{logged.model_id}"
    client.set_tag(run_id, GOLDEN_TAG, answers_to_json(golden_answers(model)))
    client.set_tag(run_id, MODEL_URI_TAG, uri)
    client.set_tag(run_id, MODEL_DIGEST_TAG, model.digest)
    return uri


def logged_model_id(model_uri: str) -> str:
    """Return MLflow's id of the logged model at a `models:/m-…` URI."""
    return model_uri.removeprefix(_SCHEME)


def load_model(tracking_uri: str, model_uri: str, *, digest: str) -> TrainedModel:
    """Download the model at `model_uri` and verify it.

    Raises: RegistryError when it cannot be fetched, or is not the model that was registered under `digest`.
    """
    with tempfile.TemporaryDirectory() as folder:
        fetch_model(tracking_uri, model_uri, Path(folder))
        try:
            model = TrainedModel.load(Path(folder))
        except PackagingError as error:
            raise RegistryError(f"model {model_uri} cannot be read from its artifacts: {error}") from error
    if model.digest != digest:
        raise RegistryError(
            f"model {model_uri} has digest {model.digest[:12]}, but {digest[:12]} was registered: its "
            "artifacts were changed; register a newly trained model"
        )
    return model


def fetch_model(tracking_uri: str, model_uri: str, folder: Path) -> None:
    """Put the files of the model at `model_uri` into `folder`, which is there; they are not looked into.

    Raises: RegistryError when they cannot be had, or are larger than a model may be.
    """
    from mlflow.exceptions import MlflowException

    with mlflow_globals(tracking_uri):
        from mlflow.artifacts import download_artifacts, list_artifacts

        try:
            logged = mlflow_client(tracking_uri).get_logged_model(logged_model_id(model_uri))
            place = f"{logged.artifact_location}/{_FOLDER}"
            for found in list_artifacts(artifact_uri=place):
                file = Path(found.path)
                require_size(file, found.file_size or 0, _LIMITS.get(file.name, LARGEST_TEXT_BYTES))
            for name in _LIMITS:
                download_artifacts(artifact_uri=f"{place}/{name}", dst_path=str(folder))
        except (MlflowException, OSError) as error:
            raise RegistryError(f"model {model_uri} cannot be read from its artifacts: {error}") from error


def find_model_run(tracking_uri: str, experiment: str, *, tags: Mapping[str, str]) -> LoggedRun | None:
    """Return the latest FINISHED run of the experiment that made a model and has these tags, if there is one."""
    client = mlflow_client(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    if found is None or found.lifecycle_stage != "active":
        return None
    conditions = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    runs = client.search_runs(
        [found.experiment_id],
        " and ".join([*conditions, "attributes.status = 'FINISHED'"]),
        order_by=["attributes.start_time DESC"],
    )
    for run in runs:
        tags_there = run.data.tags
        if MODEL_URI_TAG in tags_there and MODEL_DIGEST_TAG in tags_there:
            return LoggedRun(run.info.run_id, tags_there[MODEL_URI_TAG], tags_there[MODEL_DIGEST_TAG])
    return None


def _write_flavour(path: Path, model: TrainedModel, *, run_id: str, model_id: str) -> None:
    import lightgbm
    from mlflow.lightgbm import save_model
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    own_folder = path.with_name("own")
    model.save(own_folder)
    save_model(
        lightgbm.Booster(model_str=model.booster_text),
        str(path),
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", name) for name in model.feature_names]),
            outputs=Schema([ColSpec("double", "uncalibrated_probability")]),
        ),
        pip_requirements=[f"{name}=={installed_version(name)}" for name in _REQUIREMENTS],
        extra_files=[str(file) for file in sorted(own_folder.iterdir())],
    )


def _link_to_run(client: "MlflowClient", run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
