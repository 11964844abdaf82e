"""What stands for each product right now, read from tables, registry, online store and the reports folder."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.evaluation.product_contenders import CANDIDATE, CHAMPION
from mlops_assets.core.exporter.data_metrics import days_behind
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.masking import masked
from mlops_assets.core.monitoring.pages.neighbours import ALL_WINDOWS
from mlops_assets.core.online_store.opening import is_store_there, open_online_store
from mlops_assets.core.predictions.captured import TABLE as SERVED
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import answering_registry, give_up_soon
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import AS_OF_TAG, MADE_FROM_TAG
from mlops_assets.core.release.champion import champion_version
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.words import champion_since, described
from mlops_assets.core.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """One contender's primary metric on the newest candidate's test rows."""

    contender: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ProductStatus:
    """One product: how far its story has got, and the last verdicts; None or empty where nothing was materialized."""

    product: str
    rows: int | None
    rejected_rows: int | None
    newest_event: str | None
    """UTC time of the newest event; None for a cohort."""
    newest_label: str | None
    """UTC time at which the newest outcome became known; None for a cohort."""
    days_behind: int | None
    """Whole UTC days after the newest event that are over; at most to the data's declared end. None for a cohort."""
    primary_metric: str
    metrics: tuple[Estimate, ...]
    gates: Mapping[str, str]
    newest_version: int | None
    released_version: int | None
    released_at: str | None
    """Since when it is the champion, UTC; a trial beside it changes nothing of that."""
    plan: str | None
    """Number, kind and arms of the plan that stands: who answers whom."""
    trained_at: str | None
    """When the released version was registered, UTC."""
    model_as_of: str | None
    made_from: str | None
    """Digest of the data, declaration, code and libraries that the released version was made from."""
    drift: str | None
    """Verdict of the newest drift report, with the version and the window that it is about."""
    performance: str | None
    waiting_records: int | None
    """Captured predictions that the online store holds; None when it was never used, or does not answer."""
    online_states: int | None
    """States of entities that the online store holds; None as above."""
    newest_served: str | None
    """UTC time of the newest request that was collected."""
    mirror_problems: tuple[str, ...] = ()
    """What MLflow does not show as the release record says, or what people changed there."""
    places: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain JSON values."""
        return asdict(self)


def product_status(settings: Settings, name: str, *, now: datetime) -> ProductStatus:
    """Read the status of one product at `now`; what was never materialized is None. MLflow is brought up to the release
    record, nothing else is written.

    Raises: RegistryError when the registry does not answer.
    """
    product = load_product(name)
    tables = DeltaTables(settings.tables_uri)
    give_up_soon()
    control = ReleaseControl.of(settings)
    with answering_registry(settings.tracking_uri):
        versions = ModelRegistry(settings.tracking_uri).versions(name)
        champion, record = champion_version(control, name), control.record(name)
        mirror_problems = control.repair(name)
    time, since, plan = product.spec.time, champion_since(record), record.standing
    newest_event = _newest(tables, product, "events", "event_timestamp") if time else None
    held = _held_online(settings, name)
    newest_label = _newest(tables, product, "labels", "known_at") if time else None
    return ProductStatus(
        product=name,
        rows=_row_count(tables, name, "events"),
        rejected_rows=_row_count(tables, name, "rejected_events"),
        newest_event=_shown(newest_event),
        newest_label=_shown(newest_label),
        days_behind=days_behind(time, newest_event, now=now) if time and newest_event else None,
        primary_metric=product.spec.evaluation.primary_metric,
        metrics=_estimates(tables, product),
        gates={v.gate: v.verdict for v in versions[-1].verdicts} if versions else {},
        newest_version=versions[-1].version if versions else None,
        released_version=champion.version if champion else None,
        released_at=_shown(since.since) if since else None,
        plan=described(plan) if plan else None,
        trained_at=_shown(champion.created_at) if champion else None,
        model_as_of=champion.tags.get(AS_OF_TAG) if champion else None,
        made_from=champion.tags.get(MADE_FROM_TAG) if champion else None,
        drift=_newest_verdict(tables, name, "drift_report"),
        performance=_newest_verdict(tables, name, "performance_report"),
        waiting_records=held[0],
        online_states=held[1],
        newest_served=_shown(_newest(tables, product, SERVED, "received_at")),
        mirror_problems=mirror_problems,
        places=_places(settings, tables, name),
    )


def _held_online(settings: Settings, product: str) -> tuple[int | None, int | None]:
    """Count captured records and states, without making a store that is not there."""
    location = settings.online_store
    if not is_store_there(location, product):
        return None, None
    store = open_online_store(location, product)
    try:
        return store.captured_count(), store.state_count()
    except OnlineStoreError as error:
        logger.warning("%s", error)
        return None, None
    finally:
        store.close()


def _row_count(tables: DeltaTables, product: str, table: str) -> int | None:
    if not tables.exists(product, table):
        return None
    return tables.scan(product, table).select(pl.len()).collect().item()


def _newest(tables: DeltaTables, product: Product, table: str, column: str) -> datetime | None:
    if not tables.exists(product.name, table):
        return None
    return tables.scan(product.name, table).select(pl.col(column).max()).collect().item()


def _shown(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _estimates(tables: DeltaTables, product: Product) -> tuple[Estimate, ...]:
    if not tables.exists(product.name, "evaluation"):
        return ()
    shown = tables.read(product.name, "evaluation").filter(
        pl.col("kind") == "metric",
        pl.col("metric") == product.spec.evaluation.primary_metric,
        pl.col("value").is_not_null(),
    )
    found = [Estimate(r["contender"], r["value"], r["low"], r["high"]) for r in shown.iter_rows(named=True)]
    order = {CANDIDATE: 0, CHAMPION: 1}
    return tuple(sorted(found, key=lambda estimate: order.get(estimate.contender, 2)))


def _newest_verdict(tables: DeltaTables, product: str, table: str) -> str | None:
    if not tables.exists(product, table):
        return None
    report = tables.read(product, table)
    if report.is_empty():
        return None
    is_whole = "event_date" not in report.columns
    newest = report.row(0, named=True) if is_whole else report.sort("event_date").row(-1, named=True)
    rows = "all rows" if is_whole else f"window until {newest['event_date']}"
    return f"{newest['window_verdict']} (version {newest['champion_version']}, {rows})"


def _places(settings: Settings, tables: DeltaTables, product: str) -> dict[str, str]:
    places = {
        "tables": f"{settings.tables_uri}/{product}",
        "runs and versions": masked(settings.tracking_uri),
    }
    if tables.exists(product, "bento"):
        places["bento"] = str(tables.read(product, "bento")["path"][0])
    reports = sorted((settings.reports / product).glob("*/*.html"))
    over_windows = settings.reports / product / "verdicts" / f"{ALL_WINDOWS}.html"
    if over_windows in reports:
        places["pages of all windows"] = str(over_windows)
    elif reports:
        places["newest report"] = str(max(reports, key=lambda path: path.stat().st_mtime))
    return places
