"""Retention of MLflow runs: which old runs nothing points to, shown first and deleted on request.

Deleting is MLflow's own: the run and its logged models are marked as deleted and can be restored until `mlflow gc`
purges them with their files.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlops_assets.core.registry.mlflow_client import mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, LoggedModel, Run

_PAGE = 1000


@dataclass(frozen=True)
class OldRun:
    """A run that the retention policy lets go, with the models that it logged."""

    run_id: str
    experiment: str
    ended_at: datetime
    """UTC; the start of a run that never ended because its process was killed."""
    model_ids: tuple[str, ...]
    size_bytes: int
    """Artifacts of the run and of its models."""


def plan_run_retention(
    tracking_uri: str, product: str, *, now: datetime, keep_days: int, protected: Collection[str]
) -> tuple[OldRun, ...]:
    """List runs of the product and its variants that ended more than `keep_days` before `now`, oldest first.

    `protected` holds run ids and `models:/…` URIs: a run that is named, or that made a named model, is not listed.
    Nothing is deleted, and deleted runs are not listed again.

    tracking_uri: of the MLflow store.
    """
    client = mlflow_client(tracking_uri)
    limit = now - timedelta(days=keep_days)
    old: list[OldRun] = []
    for experiment in _experiments(client, product):
        models = list(_models(client, experiment))
        for run in _runs(client, experiment):
            made = [model for model in models if model.source_run_id == run.info.run_id]
            names = {run.info.run_id, *(model.model_uri for model in made)}
            if _ended_at(run) < limit and names.isdisjoint(protected):
                old.append(_describe(run, made, experiment=experiment.name))
    return tuple(sorted(old, key=lambda run: (run.ended_at, run.run_id)))


def apply_run_retention(tracking_uri: str, runs: Sequence[OldRun]) -> None:
    """Mark the runs and the models that they logged as deleted; the run comes last, so that a kill is repaired."""
    client = mlflow_client(tracking_uri)
    for run in runs:
        for model_id in run.model_ids:
            client.delete_logged_model(model_id)
        client.delete_run(run.run_id)


def _experiments(client: "MlflowClient", product: str) -> "Iterator[Experiment]":
    """The product's own experiment, and `<product>.<variant>` also of variants that are declared no more."""
    token = None
    while True:
        page = client.search_experiments(max_results=_PAGE, page_token=token)
        yield from (e for e in page if e.name == product or e.name.startswith(f"{product}."))
        if not (token := page.token):
            return


def _runs(client: "MlflowClient", experiment: "Experiment") -> "Iterator[Run]":
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], max_results=_PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _models(client: "MlflowClient", experiment: "Experiment") -> "Iterator[LoggedModel]":
    token = None
    while True:
        page = client.search_logged_models([experiment.experiment_id], page_token=token)
        yield from page
        if not (token := page.token):
            return


def _ended_at(run: "Run") -> datetime:
    return datetime.fromtimestamp((run.info.end_time or run.info.start_time) / 1000, UTC)


def _describe(run: "Run", models: "Sequence[LoggedModel]", *, experiment: str) -> OldRun:
    places = [run.info.artifact_uri or "", *(model.artifact_location for model in models)]
    return OldRun(
        run_id=run.info.run_id,
        experiment=experiment,
        ended_at=_ended_at(run),
        model_ids=tuple(model.model_id for model in models),
        size_bytes=sum(_artifact_bytes(place) for place in places if place),
    )


def _artifact_bytes(uri: str) -> int:
    from mlflow.artifacts import list_artifacts

    folders, total = [uri.rstrip("/")], 0
    while folders:
        folder = folders.pop()
        parent = folder.rpartition("/")[0]  # MLflow names entries relative to it
        for entry in list_artifacts(artifact_uri=folder):
            if entry.is_dir:
                folders.append(f"{parent}/{entry.path}")
            else:
                total += entry.file_size or 0
    return total
