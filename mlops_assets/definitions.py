"""The code location: load the product folders and bind the resources; nothing else."""

import os
from pathlib import Path

import dagster as dg

from mlops_assets.automation.abandoned_runs import close_abandoned_runs
from mlops_assets.automation.alerts import check_failure_alert, run_failure_alert
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.tracking import TrackingResource


def _tracking(settings: Settings) -> TrackingResource:
    return TrackingResource(
        tracking_uri=settings.tracking_uri,
        artifacts_uri=settings.mlflow_artifacts_uri,
        ui_url=settings.mlflow_ui_url,
    )


def platform_resources(settings: Settings) -> dict[str, object]:
    """Bind the resources that every asset uses to the settings."""
    return {
        "lakehouse": LakehouseResource(tables_uri=settings.tables_uri),
        "tracking": _tracking(settings),
        "platform": PlatformResource(
            reports_folder=str(settings.reports),
            bentos_folder=str(settings.bentos),
            cache_folder=str(settings.cache),
            reports_url=settings.reports_url,
        ),
        "online_stores": OnlineStores(settings.online_store),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Every product folder, bound to the resources that the environment names."""
    let_waiting_threads_sleep()
    settings = load_settings(os.environ, working_directory=Path.cwd())
    products = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    # Steps take seconds, and Polars and LightGBM use all cores by themselves: a process per step would double the time.
    alerts = [
        make(webhook=settings.alert_webhook, dagster_ui_url=settings.dagster_ui_url)
        for make in (run_failure_alert, check_failure_alert)
    ]
    platform = dg.Definitions(
        resources=platform_resources(settings),
        executor=dg.in_process_executor,
        sensors=[*alerts, close_abandoned_runs(_tracking(settings))],
    )
    return dg.Definitions.merge(products, platform)
