"""Ends the MLflow runs of Dagster runs whose process was killed, so that none stays RUNNING for ever."""

import dagster as dg

from mlops_assets.resources.tracking import TrackingResource


def close_abandoned_runs(tracking: TrackingResource) -> dg.SensorDefinition:
    """Make the sensor `close_abandoned_runs`, switched on: it marks what a failed run left open in MLflow as FAILED.

    A step that fails ends its MLflow run itself; only a killed process cannot.
    """

    @dg.run_failure_sensor(
        name="close_abandoned_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks MLflow runs of killed processes as FAILED.",
    )
    def close_runs(context: dg.RunFailureSensorContext) -> None:
        closed = tracking.close_abandoned(context.dagster_run.run_id)
        if closed:
            context.log.info(f"MLflow runs {', '.join(closed)} were left open and are marked FAILED")

    return close_runs
