"""Every part of a home that the exporter looks at."""

from collections.abc import Callable, Iterable
from datetime import datetime

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.commands.metrics.runs import INSTANCE_METRICS, JOB_METRICS, DagsterRuns
from mlops_assets.core.alerts.outbox import FILE, Outbox
from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.exporter import (
    alert_metrics,
    data_metrics,
    release_metrics,
    store_metrics,
    verdict_metrics,
)
from mlops_assets.core.exporter.metric import Sample
from mlops_assets.core.exporter.parts import Part, Parts
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import Settings


def home_parts(
    settings: Settings, *, clock: Callable[[], datetime], products: tuple[str, ...] | None = None
) -> Parts:
    """Return the parts of a home, of which nothing was looked at yet; nothing is written by a look.

    settings: of the home. clock: the time now, UTC. products: by default all.
    """
    give_up_soon()
    names = product_names() if products is None else products
    newest = data_metrics.NewestTimes(DeltaTables(settings.tables_uri))
    findings = verdict_metrics.NewestFindings(DeltaTables(settings.tables_uri))
    control, runs = ReleaseControl.of(settings), DagsterRuns(settings)

    def data(product: str) -> Iterable[Sample]:
        return data_metrics.data_samples(product, load_product(product).spec.time, newest, now=clock())

    def verdicts(product: str) -> Iterable[Sample]:
        declared = declared_names(load_product(product))
        return verdict_metrics.verdict_samples(product, findings.of(product), declared=declared)

    return Parts(
        [
            Part("data", data_metrics.METRICS, data, names),
            Part("verdicts", verdict_metrics.METRICS, verdicts, names),
            Part(
                "release",
                release_metrics.METRICS,
                lambda product: release_metrics.release_samples(product, control),
                names,
            ),
            Part(
                "registry",
                release_metrics.REGISTRY_METRICS,
                lambda product: release_metrics.registry_samples(product, settings.tracking_uri),
                names,
            ),
            Part(
                "online_store",
                store_metrics.METRICS,
                lambda product: store_metrics.store_samples(product, settings.online_store),
                names,
            ),
            Part("jobs", JOB_METRICS, runs.of_product, names),
            Part("dagster", INSTANCE_METRICS, runs.of_home),
            Part(
                "alerts",
                alert_metrics.METRICS,
                lambda _home: alert_metrics.alert_samples(Outbox(settings.home / FILE)),
            ),
        ]
    )


def declared_names(product: Product) -> frozenset[str]:
    """Return the subjects that a product's declaration bounds: its columns, its features, and its primary metric."""
    columns = event_columns(product.event_schema)
    primary = product.spec.evaluation.primary_metric
    return frozenset({*columns, *product.view.feature_names, product.spec.label.column, primary})
