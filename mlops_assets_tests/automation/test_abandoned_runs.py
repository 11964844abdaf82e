"""MLflow runs of a killed process are ended when Dagster finds its run failed."""

from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.abandoned_runs import close_abandoned_runs
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.homes.empty_registry import give_empty_registry


@pytest.fixture
def tracking(tmp_path: Path) -> TrackingResource:
    give_empty_registry(tmp_path / "mlflow.db")
    return TrackingResource(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts_uri=str(tmp_path), ui_url=""
    )


def test_what_a_failed_run_left_open_is_marked_as_failed_and_nothing_else(tracking: TrackingResource) -> None:
    @dg.op
    def fail() -> None:
        raise ValueError("killed")

    @dg.job
    def ingest() -> None:
        fail()

    client = mlflow_client(tracking.tracking_uri)
    experiment = client.create_experiment("shop")
    with dg.DagsterInstance.ephemeral() as instance:
        result = ingest.execute_in_process(instance=instance, raise_on_error=False)
        mine, other = (
            client.create_run(experiment, tags={"dagster/run_id": run_id}).info.run_id
            for run_id in (result.run_id, "another")
        )
        sensor = close_abandoned_runs(tracking)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        context = dg.build_run_status_sensor_context(
            sensor_name="close_abandoned_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        sensor(context)
    assert [client.get_run(run_id).info.status for run_id in (mine, other)] == ["FAILED", "RUNNING"]
