"""Ties a Dagster run to an MLflow run through dagster-mlflow, of which this is the only importer.

dagster-mlflow activates the run, tags it and offers MLflow's functions; this module decides which MLflow run
that is, and how and when it ends (docs/decisions/005-dagster-mlflow.md).
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import FAILED_STEP_TAG, INPUTS_TAG

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

ROOT_RUN_TAG = "dagster_run_id"
"""Dagster run id of the first attempt (dagster-mlflow's own tag); every retry of it resumes the same MLflow
run.
"""
ATTEMPT_TAG = "dagster/run_id"
"""Dagster run id of the latest attempt."""

RUN_NAME_TAG = "mlflow.runName"
"""MLflow's own; dagster-mlflow gives every run that it opens the name of the job."""
MAXIMUM_DIGEST = 36
"""Characters that MLflow keeps of a dataset's digest."""

Context = dg.AssetExecutionContext | dg.OpExecutionContext
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackedRun:
    """An open MLflow run; everything that is logged through it goes to this run, from any thread."""

    run_id: str
    experiment_id: str
    url: str
    binding: Any = field(repr=False)
    """dagster-mlflow's MlFlow object: all of MLflow's functions, for what the methods here do not cover."""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters. MLflow never changes a logged value: a resumed run accepts only the same values
        again.
        """
        self.binding.log_params(dict(params))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log one value per metric."""
        self.binding.log_metrics(dict(metrics), run_id=self.run_id)

    def log_text(self, text: str, path: str) -> None:
        """Store `text` as the artifact `path`."""
        self.binding.log_text(text, path, run_id=self.run_id)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Store a Matplotlib figure as the artifact `path`; its suffix names the format."""
        self.binding.MlflowClient().log_figure(self.run_id, figure, path)

    def log_dataset(self, table: str, *, digest: str) -> None:
        """Name a table of the lakehouse, with the digest of its content, as what the run was trained on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"table": table})
        named = Dataset(table, digest[:MAXIMUM_DIGEST], source_type="delta", source=source)
        used = DatasetInput(named, [InputTag("mlflow.data.context", "training")])
        self.binding.MlflowClient().log_inputs(self.run_id, [used])

    def log_artifact(self, file: Path, folder: str | None = None) -> None:
        """Copy a local file into the artifact folder `folder`, or into the root."""
        self.binding.log_artifact(str(file), folder, run_id=self.run_id)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a tag that exists takes the new value."""
        client = self.binding.MlflowClient()
        for name, value in tags.items():
            client.set_tag(self.run_id, name, value)


class TrackingResource(dg.ConfigurableResource):
    """One MLflow run per Dagster run and experiment, whatever the number of processes and retries.

    The status tells how the steps that logged into the run ended: FAILED while any of them has failed or
    KILLED (SIGKILL leaves RUNNING, see `close_abandoned`), FINISHED otherwise; a retry that succeeds clears
    its own failure only.
    """

    tracking_uri: str
    artifacts_uri: str
    """Root of the artifacts of experiments that are created here; an experiment never moves."""
    ui_url: str
    """Base URL of MLflow's UI, for links."""
    dagster_ui_url: str = ""
    """Base URL of Dagster's UI, for links back to the run; empty: none are made."""

    @contextmanager
    def run(
        self,
        context: Context,
        *,
        experiment: str,
        name: str | None = None,
        inputs: str | None = None,
        tags: Mapping[str, str] | None = None,
        started_at: datetime | None = None,
    ) -> Iterator[TrackedRun]:
        """Open this Dagster run's MLflow run in `experiment`: begun by an earlier step or attempt, or new.

        A run whose `inputs` differ is not resumed: its parameters are those of another candidate. Only one
        step of a Dagster run may open an experiment at a time; others take the run id from it and `resume`.
        Two that open at the same instant in two processes would get a run each, since MLflow has no unique
        key to hold against it.

        `started_at` is when the work that a new run shows began, if that was before now.

        context: of the step. name: of a new run, by default the experiment's. tags: of the MLflow run.

        Raises: RegistryError when this Dagster run has an MLflow run open already in the same thread.
        """
        client = mlflow_client(self.tracking_uri)
        experiment_id = self._experiment_id(client, experiment)
        named = {RUN_NAME_TAG: name or experiment}
        all_tags = {**(tags or {}), **named, **({INPUTS_TAG: inputs} if inputs is not None else {})}
        run_id = _find_run(client, experiment_id, root_run_id=_root_run_id(context), inputs=inputs)
        if run_id is None:
            first_tags = {
                ROOT_RUN_TAG: _root_run_id(context),
                ATTEMPT_TAG: context.run.run_id,
                **self._origin(context),
                **all_tags,
            }
            began = None if started_at is None else int(started_at.timestamp() * 1000)
            run_id = client.create_run(
                experiment_id, start_time=began, tags=first_tags, run_name=name or experiment
            ).info.run_id
        with self._activated(context, client, run_id=run_id, experiment=experiment, tags=all_tags) as run:
            yield run

    @contextmanager
    def resume(self, context: Context, run_id: str) -> Iterator[TrackedRun]:
        """Open an MLflow run again by its id, also one of another Dagster run, to log what came later.

        Raises: RegistryError when the run does not exist or was deleted, and as `run` does.
        """
        client = mlflow_client(self.tracking_uri)
        found = _get_run(client, run_id)
        experiment = client.get_experiment(found.info.experiment_id).name
        root = found.data.tags.get(ROOT_RUN_TAG, _root_run_id(context))
        with self._activated(
            context,
            client,
            run_id=run_id,
            experiment=experiment,
            tags={ROOT_RUN_TAG: root, RUN_NAME_TAG: found.info.run_name},
        ) as run:
            yield run

    def _origin(self, context: Context) -> dict[str, str]:
        """Where the run comes from, as MLflow's page shows it: the step, and the way back to it."""
        job, run_id = context.run.job_name, context.run.run_id
        told = f"{self.dagster_ui_url}/runs/{run_id}"
        link = f"[{told}]({told})" if self.dagster_ui_url else run_id
        return {
            "mlflow.source.type": "JOB",
            "mlflow.source.name": f"{job}: {context.op_execution_context.op_handle}",
            "mlflow.note.content": f"Made by Dagster's job `{job}`, run {link}.",
        }

    def run_url(self, run_id: str) -> str:
        """Return the run's page in MLflow's UI.

        Raises: RegistryError when the run does not exist or was deleted.
        """
        experiment_id = _get_run(mlflow_client(self.tracking_uri), run_id).info.experiment_id
        return self._url(experiment_id, run_id)

    def close_abandoned(
        self, dagster_run_id: str, *, status: Literal["FAILED", "KILLED"] = "FAILED"
    ) -> tuple[str, ...]:
        """End the MLflow runs that the Dagster run, now over, left RUNNING because its process was killed;
        return their ids.
        """
        client = mlflow_client(self.tracking_uri)
        experiment_ids = [experiment.experiment_id for experiment in client.search_experiments()]
        abandoned = client.search_runs(
            experiment_ids,
            f"tags.`{ATTEMPT_TAG}` = '{dagster_run_id}' and attributes.status = 'RUNNING'",
        )
        for run in abandoned:
            client.set_terminated(run.info.run_id, status)
        return tuple(run.info.run_id for run in abandoned)

    @contextmanager
    def _activated(
        self,
        context: Context,
        client: "MlflowClient",
        *,
        run_id: str,
        experiment: str,
        tags: Mapping[str, str],
    ) -> Iterator[TrackedRun]:
        step_tag = f"{FAILED_STEP_TAG}/{context.op_execution_context.op_handle}"
        with mlflow_globals(self.tracking_uri):
            _end_leftovers(client, context.run.run_id)
            binding = _bind(context, self.tracking_uri, run_id=run_id, experiment=experiment, tags=tags)
            experiment_id = binding.experiment.experiment_id
            try:
                yield TrackedRun(run_id, experiment_id, self._url(experiment_id, run_id), binding)
            except BaseException as error:
                _end_after_error(client, binding, run_id=run_id, step_tag=step_tag, error=error)
                raise
            _end_after_success(client, binding, run_id=run_id, step_tag=step_tag)

    def _experiment_id(self, client: "MlflowClient", name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return client.create_experiment(
                    name, artifact_location=f"{self.artifacts_uri.rstrip('/')}/{name}"
                )
            except MlflowException as error:
                experiment = client.get_experiment_by_name(name)  # another process may have been first
                if experiment is None:
                    raise RegistryError(
                        f"MLflow experiment {name!r} cannot be created at {self.tracking_uri}"
                    ) from error
        if experiment.lifecycle_stage != "active":
            raise RegistryError(
                f"MLflow experiment {name!r} was deleted; restore it in MLflow, or purge it with `mlflow gc`"
            )
        return experiment.experiment_id

    def _url(self, experiment_id: str, run_id: str) -> str:
        return f"{self.ui_url.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


@dataclass(frozen=True)
class _BindingContext:
    """What dagster-mlflow reads of a resource's context; its run id is that of the first attempt, so that
    retries meet.
    """

    log: logging.Logger
    dagster_run: dg.DagsterRun
    run_id: str
    resource_config: Mapping[str, object]


def _bind(
    context: Context, tracking_uri: str, *, run_id: str, experiment: str, tags: Mapping[str, str]
) -> Any:  # dagster_mlflow.MlFlow gets its methods from a metaclass, which no type checker sees
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        from dagster_mlflow.resources import MlFlow

    attempt = {ATTEMPT_TAG: context.run.run_id, "dagster/job": context.run.job_name}
    binding_context = _BindingContext(
        log=_logger,
        dagster_run=context.run,
        run_id=_root_run_id(context),
        resource_config={
            "experiment_name": experiment,
            "mlflow_tracking_uri": tracking_uri,
            "mlflow_run_id": run_id,
            "env": {},
            "extra_tags": {**attempt, **tags},
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return MlFlow(binding_context)


def _root_run_id(context: Context) -> str:
    return context.run.root_run_id or context.run.run_id


def _find_run(
    client: "MlflowClient", experiment_id: str, *, root_run_id: str, inputs: str | None
) -> str | None:
    conditions = [f"tags.{ROOT_RUN_TAG} = '{root_run_id}'"]
    if inputs is not None:
        conditions.append(f"tags.`{INPUTS_TAG}` = '{inputs}'")
    runs = client.search_runs(
        [experiment_id], " and ".join(conditions), order_by=["attributes.start_time ASC"], max_results=1
    )
    return runs[0].info.run_id if runs else None


def _get_run(client: "MlflowClient", run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise RegistryError(f"MLflow has no run {run_id}; materialize the model asset again") from error
    if run.info.lifecycle_stage != "active":
        raise RegistryError(
            f"MLflow run {run_id} was deleted; restore it, or materialize the model asset again"
        )
    return run


def _end_leftovers(client: "MlflowClient", dagster_run_id: str) -> None:
    """End runs that other code left active in this thread: dagster-mlflow would silently log into them."""
    import mlflow

    while (active := mlflow.active_run()) is not None:
        if client.get_run(active.info.run_id).data.tags.get(ATTEMPT_TAG) == dagster_run_id:
            raise RegistryError(f"MLflow run {active.info.run_id} is still open in this step; close it first")
        _logger.warning(
            "MLflow run %s was left active by other code; it is ended as KILLED", active.info.run_id
        )
        mlflow.end_run("KILLED")


def _end_after_error(
    client: "MlflowClient", binding: Any, *, run_id: str, step_tag: str, error: BaseException
) -> None:
    status = "FAILED" if isinstance(error, Exception) else "KILLED"  # interrupts are no Exceptions
    try:
        client.set_tag(run_id, step_tag, type(error).__name__)
        binding.end_run(status=status)
    except Exception:
        _logger.exception(
            "MLflow run %s could not be marked %s; the step's own error follows", run_id, status
        )


def _end_after_success(client: "MlflowClient", binding: Any, *, run_id: str, step_tag: str) -> None:
    tags = client.get_run(run_id).data.tags
    if step_tag in tags:
        client.delete_tag(run_id, step_tag)
    other_failures = [name for name in tags if name.startswith(f"{FAILED_STEP_TAG}/") and name != step_tag]
    binding.end_run(status="FAILED" if other_failures else "FINISHED")
