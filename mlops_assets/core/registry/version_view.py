"""The feature view that a version was trained with: an artifact of the MLflow run that made it."""

import tempfile
from pathlib import Path

from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.features.stored_view import view_from_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.files import read_limited
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion

VIEW_FILE = "view.json"
"""Artifact of the run; the run's VIEW_TAG holds its digest."""


def version_view(tracking_uri: str, version: ModelVersion, *, declared: FeatureView | None) -> FeatureView:
    """Return the version's own view: the stored one, or `declared` when that is what it was registered with.

    declared: None where nobody knows it.

    Raises: RegistryError when its view was not stored and is another than the declared one, or cannot be fetched.
    """
    digest = _digest_of_run(tracking_uri, version.run_id)
    if digest is not None:
        if declared is not None and digest == declared.digest:
            return declared
        subject = f"the feature view of {version.product} version {version.version}"
        return _stored_view(tracking_uri, version.run_id, digest, subject=subject)
    registered = version.tags.get(VIEW_TAG)
    if declared is None or registered != declared.digest:
        raise RegistryError(
            f"{version.product} version {version.version} was trained with the feature view {str(registered)[:12]}, "
            f"which was not stored with it, and declared is {declared.digest[:12] if declared else 'unknown'}: bring "
            "the old declaration back, or train, and release, a version of today's"
        )
    return declared


def run_view(tracking_uri: str, run_id: str, *, subject: str) -> FeatureView:
    """Return the view that was stored with a run; `subject` names it in errors.

    Raises: RegistryError when none was stored, or it cannot be fetched.
    """
    from mlflow.exceptions import MlflowException

    try:
        digest = _digest_of_run(tracking_uri, run_id)
    except MlflowException as error:
        raise RegistryError(f"{subject} cannot be fetched: {error}") from error
    if digest is None:
        raise RegistryError(f"{subject} was not stored with it: train, and release, a version of today's")
    return _stored_view(tracking_uri, run_id, digest, subject=subject)


def _digest_of_run(tracking_uri: str, run_id: str) -> str | None:
    return mlflow_client(tracking_uri).get_run(run_id).data.tags.get(VIEW_TAG)


def _stored_view(tracking_uri: str, run_id: str, digest: str, *, subject: str) -> FeatureView:
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder, mlflow_globals(tracking_uri):
        from mlflow.artifacts import download_artifacts

        try:
            file = download_artifacts(run_id=run_id, artifact_path=VIEW_FILE, dst_path=folder)
            view = view_from_json(read_limited(Path(file)).decode())
        except (MlflowException, OSError, UnicodeDecodeError, FeatureError) as error:
            raise RegistryError(f"{subject} cannot be read from its run's {VIEW_FILE}: {error}") from error
    if view.digest != digest:
        raise RegistryError(
            f"{subject} has digest {view.digest[:12]}, but {digest[:12]} was stored: {VIEW_FILE} was changed; register "
            "a newly trained model"
        )
    return view
