"""The asset `verdicts`: what monitoring says of each window, one row per topic and subject."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.pictures import page_only, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reports.verdict_pages import write_pages_over_windows, write_window_page
from mlops_assets.assets.support.reports.windows import ReportWindow, report_windows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.history import Span
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.finding import Finding, State, findings_frame
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.monitoring.volume import volume_findings
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import load_champion
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

NOUN = "verdicts"
_STATES: Mapping[str, State] = {"stable": "ok", "degraded": "alarm", "inconclusive": "inconclusive"}


def verdicts_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset of a product with a time axis."""
    lookback = timedelta(days=product.spec.monitoring.window_days - 1)

    @product_asset(
        product,
        NOUN,
        stage="monitoring",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=[
            upstream(product, "drift_report"),
            upstream(product, "performance_report"),
            upstream(product, "events", lookback=lookback),
        ],
    )
    def verdicts(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One row is what one topic says about one subject of a window: a column's drift, a metric, a day's fault.

        Made from the reports of the same day and from `events`. State is ok, alarm or inconclusive; cause says whether
        a source is broken or the world changed. Alarms come first, the larger consequence first. Read by the alerts.
        Each window has a page for people, and there is one over all windows.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        writes = TableWrites(context, lakehouse, product, NOUN)
        windows = list(report_windows(context, product, "event_date"))
        days = [window.days for window in windows if window.days is not None]
        profiles = ChampionProfiles(lakehouse.tables, product, champion, writes.commit_info)
        drift = WindowDrift(profiles, DayRange(min(d.first for d in days), max(d.end for d in days)))
        counts = dict(lakehouse.tables.day_counts(product.name, "events").iter_rows())
        performance = _performance_rows(lakehouse, product)
        any_reads = RecordedReads(context, lakehouse.tables, product, noun=NOUN)
        for window in windows:
            reads = any_reads.another()
            measured = performance.filter(pl.col("event_date") == window.end_day)
            reads.value("the champion", champion.facts)
            measured = reads.rows("performance", measured)
            found = tuple(
                _findings(product, window, drift=drift, counts=counts, performance=measured, reads=reads)
            )
            frame = findings_frame(found).with_columns(
                champion_version=pl.lit(champion.version, pl.Int64), event_date=pl.lit(window.end_day)
            )
            writes.write_report(frame, window.partition, reads=reads)
            page = write_window_page(platform, drift, window, found)
            context.add_asset_metadata({**_shown(frame), **page}, partition_key=window.name)
        return writes.result(
            write_pages_over_windows(platform, lakehouse.tables, product, written=windows, events=counts)
        )

    return verdicts


def _findings(
    product: Product,
    window: ReportWindow,
    *,
    drift: WindowDrift,
    counts: Mapping[Any, int],
    performance: pl.DataFrame,
    reads: RecordedReads,
) -> Iterator[Finding]:
    """Yield all that is said of one window.

    product: whose. window: of days. drift: judges it. counts: events by day. performance: its rows of the report.
    reads: is told what was read.
    """
    if window.days is None:
        return
    days = Span(window.days.first, window.days.end).days()
    reads.declared("monitoring", "training", "split", "time", "evaluation", "source")
    reads.value("the profiles", drift.content(window.days))
    reads.value("events by day", {str(day): counts.get(day, 0) for day in days})
    yield from drift.judge(window.days).findings()
    yield from volume_findings(counts, days=days, below=product.spec.source.silent_below)
    yield from _performance_findings(performance, primary=product.spec.evaluation.primary_metric)


def _performance_rows(lakehouse: LakehouseResource, product: Product) -> pl.DataFrame:
    return lakehouse.tables.read(product.name, "performance_report")


def _performance_findings(rows: pl.DataFrame, *, primary: str) -> Iterator[Finding]:
    for row in rows.filter(pl.col("metric") == primary).iter_rows(named=True):
        interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        value = "has no value" if row["value"] is None else f"is {row['value']:.3f}{interval}"
        beside = (
            ""
            if row["reference_value"] is None
            else f", on the champion's test rows {row['reference_value']:.3f}"
        )
        yield Finding(
            topic="performance",
            subject=primary,
            state=_STATES[row["window_verdict"]],
            reason=f"{row['title']} {value}{beside}: {row['window_verdict']}",
            value=row["value"],
            low=row["low"],
            high=row["high"],
            expected=row["reference_value"],
            limit=row["limit"],
        )


@page_only
def _shown(frame: pl.DataFrame) -> dict[str, dg.MetadataValue | int]:
    alarms = frame.filter(pl.col("state") == "alarm")
    columns = ["topic", "subject", "state", "cause", "reason"]
    return {"alarms": alarms.height, "findings": table(frame.select(columns))}
