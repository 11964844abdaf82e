"""A small code location for the tracking tests, in a module of its own so that step processes can load it."""

import os
import signal

import dagster as dg

from mlops_assets.resources.tracking import TrackingResource


def tracking() -> TrackingResource:
    home = os.environ["TRACKING_TEST_HOME"]
    return TrackingResource(
        tracking_uri=f"sqlite:///{home}/mlflow.db",
        artifacts_uri=f"file://{home}/artifacts",
        ui_url="http://ui",
    )


@dg.asset
def model(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
    with tracking.run(context, experiment="fraud_detection", inputs="abc") as run:
        run.log_metrics({"trained": 1.0})


@dg.asset(deps=[model])
def evaluation(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
    with tracking.run(context, experiment="fraud_detection", inputs="abc") as run:
        run.log_metrics({"evaluated": 1.0})
        behaviour = os.environ.get("EVALUATION", "succeed")
        if behaviour == "fail":
            raise ValueError("evaluation is broken")
        if behaviour == "interrupt":
            signal.raise_signal(signal.SIGINT)
        if behaviour == "die":
            os._exit(9)


@dg.asset
def other_model(context: dg.AssetExecutionContext, tracking: TrackingResource) -> None:
    with tracking.run(context, experiment="mortality_risk") as run:
        run.log_metrics({"trained": 2.0})


@dg.definitions
def location() -> dg.Definitions:
    return dg.Definitions(assets=[model, evaluation, other_model], resources={"tracking": tracking()})
