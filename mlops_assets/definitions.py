"""The code location: load the product folders and bind the resources; nothing else."""

import logging
import os
from pathlib import Path

import dagster as dg

from mlops_assets.automation.abandoned_runs import close_abandoned_runs
from mlops_assets.automation.alerts.sensor import alerts_sensor
from mlops_assets.automation.dead_runs import dead_runs_sensor
from mlops_assets.catalogue import product_names
from mlops_assets.components.broken_product import broken_product, cause_of, why_not_loadable
from mlops_assets.core.files import keep_to_owner
from mlops_assets.core.runtime.garbage import freeze_what_is_loaded
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.embedded.dagster_home import accept_beta_parts
from mlops_assets.embedded.run_configuration import limit_environment
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.tracking import TrackingResource

_log = logging.getLogger(__name__)


def _tracking(settings: Settings) -> TrackingResource:
    return TrackingResource(
        tracking_uri=settings.tracking_uri,
        artifacts_uri=settings.mlflow_artifacts_uri,
        ui_url=settings.mlflow_ui_url,
        dagster_ui_url=settings.dagster_ui_url,
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
    keep_to_owner()
    accept_beta_parts()
    settings = load_settings(os.environ, working_directory=Path.cwd())
    limit_environment(settings.run_config_variables)
    # Steps take seconds, and Polars and LightGBM use all cores by themselves: a process per step would double the time.
    alerts = alerts_sensor(settings, os.environ, products=product_names())
    platform = dg.Definitions(
        resources=platform_resources(settings),
        executor=dg.in_process_executor,
        sensors=[alerts, close_abandoned_runs(_tracking(settings)), dead_runs_sensor()],
    )
    products = _products()
    whole = dg.Definitions.merge(*products.values(), platform)
    if why_not_loadable(whole) is not None:
        shown = (_shown(name, one, platform) for name, one in products.items())
        whole = dg.Definitions.merge(*shown, platform)
    freeze_what_is_loaded()
    return whole


def _products() -> dict[str, dg.Definitions]:
    """Every product folder's definitions, each loaded by itself; a broken one is shown as broken beside the others."""
    tree = dg.ComponentTree.for_project(Path(__file__).parent)
    found = {}
    for name in product_names():
        try:
            found[name] = tree.build_defs_at_path(Path(name))
        except Exception as error:  # a product is the user's code, and not its neighbours' concern
            found[name] = _broken(name, error)
    return found


def _shown(name: str, product: dg.Definitions, platform: dg.Definitions) -> dg.Definitions:
    error = why_not_loadable(dg.Definitions.merge(product, platform))
    return product if error is None else _broken(name, error)


def _broken(name: str, error: Exception) -> dg.Definitions:
    _log.error("product %s cannot be loaded, the others are: %s", name, cause_of(error))
    return broken_product(name, error)
