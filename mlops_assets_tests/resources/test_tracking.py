"""A Dagster run and its MLflow run: status, resumption, isolation."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import mlflow
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from mlflow import MlflowClient
from mlflow.entities import Run

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import INPUTS_TAG
from mlops_assets.resources.tracking import ROOT_RUN_TAG, TrackingResource
from mlops_assets_tests.support.homes.empty_registry import give_empty_registry
from mlops_assets_tests.support.processes import tracking_location as location
from mlops_assets_tests.support.source_tree import ROOT


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tracking")
    give_empty_registry(folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKING_TEST_HOME", str(folder))
        yield folder


@pytest.fixture
def tracking() -> TrackingResource:
    return location.tracking()


@pytest.fixture
def client(tracking: TrackingResource) -> MlflowClient:
    return mlflow_client(tracking.tracking_uri)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def runs_of(client: MlflowClient, dagster_run_id: str) -> list[Run]:
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(ids, f"tags.{ROOT_RUN_TAG} = '{dagster_run_id}'"))


def only_run(client: MlflowClient, dagster_run_id: str) -> Run:
    (run,) = runs_of(client, dagster_run_id)
    return run


def materialize(
    *assets: dg.AssetsDefinition, instance: dg.DagsterInstance | None = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        list(assets), resources={"tracking": location.tracking()}, instance=instance, raise_on_error=False
    )


def test_several_steps_of_a_dagster_run_share_one_finished_mlflow_run(client: MlflowClient) -> None:
    result = materialize(location.model, location.evaluation)
    run = only_run(client, result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"trained": 1.0, "evaluated": 1.0}
    assert run.data.tags[INPUTS_TAG] == "abc"


def test_a_failed_step_without_any_job_hook_leaves_its_mlflow_run_failed(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALUATION", "fail")
    run = only_run(client, materialize(location.model, location.evaluation).run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["mlops/failed_step/evaluation"] == "ValueError"


def test_an_interrupted_step_leaves_its_mlflow_run_killed(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALUATION", "interrupt")
    result = materialize(location.model, location.evaluation)
    assert only_run(client, result.run_id).info.status == "KILLED"


def test_a_failed_dagster_run_leaks_nothing_into_the_next_one_of_the_process(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALUATION", "fail")
    failed = materialize(location.model, location.evaluation)
    assert mlflow.active_run() is None
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ
    assert "MLFLOW_TRACKING_URI" not in os.environ
    monkeypatch.setenv("EVALUATION", "succeed")
    succeeded = materialize(location.model, location.evaluation)
    first, second = only_run(client, failed.run_id), only_run(client, succeeded.run_id)
    assert (first.info.status, second.info.status) == ("FAILED", "FINISHED")
    assert "evaluated" in second.data.metrics


def test_a_run_that_other_code_left_active_is_ended_and_not_logged_into(
    client: MlflowClient, tracking: TrackingResource, home: Path
) -> None:
    with mlflow_globals(tracking.tracking_uri):
        leftover = mlflow.start_run(experiment_id=client.create_experiment("scratch", str(home / "scratch")))
    result = materialize(location.model)
    assert client.get_run(leftover.info.run_id).info.status == "KILLED"
    assert client.get_run(leftover.info.run_id).data.metrics == {}
    assert only_run(client, result.run_id).info.status == "FINISHED"


def test_two_products_in_one_dagster_run_get_a_run_each(client: MlflowClient) -> None:
    result = materialize(location.model, location.other_model)
    by_experiment = {
        client.get_experiment(run.info.experiment_id).name: run.data.metrics["trained"]
        for run in runs_of(client, result.run_id)
    }
    assert by_experiment == {"fraud_detection": 1.0, "mortality_risk": 2.0}


@pytest.mark.rehearsal
def test_step_processes_share_runs_and_re_execution_resumes_the_failed_one(
    client: MlflowClient, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALUATION", "fail")
    module = location.__name__  # of the tests, which are not installed
    repository = ReconstructableRepository.for_module(module, "location", working_directory=str(ROOT))
    job = repository.get_reconstructable_job("__ASSET_JOB")  # Dagster's implicit job, which can have no hooks
    with dg.execute_job(job, instance=instance) as result:
        failed = result.dagster_run
    assert failed.status == dg.DagsterRunStatus.FAILURE
    runs = {client.get_experiment(r.info.experiment_id).name: r for r in runs_of(client, failed.run_id)}
    assert {name: run.info.status for name, run in runs.items()} == {
        "fraud_detection": "FAILED",
        "mortality_risk": "FINISHED",
    }

    monkeypatch.setenv("EVALUATION", "succeed")
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    in_process = {"execution": {"config": {"in_process": {}}}}
    with dg.execute_job(job, instance=instance, reexecution_options=options, run_config=in_process) as retry:
        assert retry.success
        assert retry.dagster_run.run_id != failed.run_id
    resumed = client.get_run(runs["fraud_detection"].info.run_id)
    assert resumed.info.status == "FINISHED"
    assert resumed.data.metrics == {"trained": 1.0, "evaluated": 1.0}
    assert not any(name.startswith("mlops/failed_step") for name in resumed.data.tags)
    assert len(runs_of(client, failed.run_id)) == 2
    assert runs_of(client, retry.dagster_run.run_id) == []


def test_a_step_retry_resumes_its_run_and_clears_the_failure(client: MlflowClient) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def flaky(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        with tracking.run(context, experiment="fraud_detection") as run:
            run.log_params({"depth": 6})
            if context.retry_number == 0:
                raise ValueError("once")

    result = materialize(flaky)
    assert result.success
    assert only_run(client, result.run_id).info.status == "FINISHED"


def test_success_of_one_step_does_not_hide_the_failure_of_another(client: MlflowClient) -> None:
    @dg.asset
    def broken(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        with tracking.run(context, experiment="fraud_detection", inputs="abc"):
            raise ValueError("broken")

    result = materialize(broken, location.model)
    assert only_run(client, result.run_id).info.status == "FAILED"


def test_other_inputs_are_another_candidate_and_get_a_run_of_their_own(client: MlflowClient) -> None:
    @dg.asset
    def candidates(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        for inputs in ("depth 6", "depth 8", "depth 6"):
            with tracking.run(context, experiment="fraud_detection", inputs=inputs) as run:
                run.log_params({"depth": inputs})

    result = materialize(candidates)
    assert result.success
    assert {run.data.params["depth"] for run in runs_of(client, result.run_id)} == {"depth 6", "depth 8"}
    assert len(runs_of(client, result.run_id)) == 2


def test_a_later_dagster_run_resumes_by_id_fails_the_run_and_finishes_it_again(
    client: MlflowClient, tracking: TrackingResource
) -> None:
    run_id = only_run(client, materialize(location.model).run_id).info.run_id
    is_broken = True

    @dg.asset
    def judge(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        with tracking.resume(context, run_id) as run:
            run.log_text("seen", "verdict.txt")
            if is_broken:
                raise ValueError("broken")

    materialize(judge)
    assert client.get_run(run_id).info.status == "FAILED"
    is_broken = False
    materialize(judge)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [artifact.path for artifact in client.list_artifacts(run_id)] == ["verdict.txt"]
    experiment_id = client.get_run(run_id).info.experiment_id
    assert tracking.run_url(run_id) == f"http://ui/#/experiments/{experiment_id}/runs/{run_id}"


def test_opening_a_second_run_inside_the_first_is_refused(client: MlflowClient) -> None:
    @dg.asset
    def nested(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        inner = tracking.run(context, experiment="mortality_risk")
        with (
            tracking.run(context, experiment="fraud_detection"),
            pytest.raises(RegistryError, match="still open in this step"),
        ):
            inner.__enter__()

    result = materialize(nested)
    assert result.success
    statuses = {
        client.get_experiment(run.info.experiment_id).name: run.info.status
        for run in runs_of(client, result.run_id)
    }
    assert statuses["fraud_detection"] == "FINISHED"


def test_resuming_an_unknown_run_says_what_to_do() -> None:
    @dg.asset
    def judge(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
        with pytest.raises(RegistryError, match="materialize the model asset again"):
            tracking.resume(context, "0" * 32).__enter__()

    assert materialize(judge).success


def test_a_run_whose_process_died_is_closed_afterwards_and_only_that_one(
    client: MlflowClient, tracking: TrackingResource
) -> None:
    code = (
        "import dagster as dg, sys; from mlops_assets_tests.support.processes import tracking_location as t;"
        "dg.materialize([t.model, t.evaluation], resources={'tracking': t.tracking()})"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "EVALUATION": "die"},
        check=False,
        capture_output=True,
    )
    assert child.returncode == 9
    experiment = client.get_experiment_by_name("fraud_detection")
    (running,) = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    assert tracking.close_abandoned("another Dagster run") == ()
    closed = tracking.close_abandoned(running.data.tags["dagster/run_id"])
    assert closed == (running.info.run_id,)
    assert client.get_run(running.info.run_id).info.status == "FAILED"


def test_a_run_says_what_it_is_what_it_was_trained_on_and_where_it_comes_from(
    client: MlflowClient, instance: dg.DagsterInstance
) -> None:
    tracking = location.tracking().model_copy(update={"dagster_ui_url": "http://127.0.0.1:3000"})

    @dg.asset
    def fitted(context: dg.AssetExecutionContext) -> None:
        with tracking.run(context, experiment="shop", name="shop as of 2018-05-01") as run:
            run.log_dataset("training_set", digest="ab" * 32)

    result = dg.materialize([fitted], instance=instance)
    run = only_run(client, result.run_id)
    assert run.info.run_name == "shop as of 2018-05-01"
    assert f"http://127.0.0.1:3000/runs/{result.run_id}" in run.data.tags["mlflow.note.content"]
    assert run.data.tags["mlflow.source.name"].endswith(": fitted")
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("training_set", ("ab" * 32)[:36])
