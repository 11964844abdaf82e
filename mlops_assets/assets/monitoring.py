"""The monitoring stage: whether the newest predictions and outcomes look like those that the champion was judged on."""

import json
from collections.abc import Mapping
from dataclasses import astuple, replace
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.drift import drift_asset
from mlops_assets.assets.fairness import fairness_asset
from mlops_assets.assets.support.asset_options import product_asset, upstream, window_lookback
from mlops_assets.assets.support.pictures import page_only, picture
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reports.outcomes import SAME_ROWS, UnseenOutcomes
from mlops_assets.assets.support.reports.pages import (
    describe_window,
    page_link,
    shared_metadata,
    stamped,
    verdict_check,
)
from mlops_assets.assets.support.reports.report_writes import ReportWrites
from mlops_assets.assets.support.reports.windows import ReportWindow, report_windows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.assets.verdicts import verdicts_asset
from mlops_assets.core.evaluation.product_contenders import own_metrics
from mlops_assets.core.monitoring.decline.evidence import Evidence
from mlops_assets.core.monitoring.decline.since_champion import DeclineOfChampion
from mlops_assets.core.monitoring.performance import PerformanceReport, ReferenceMetric
from mlops_assets.core.monitoring.performance import performance_report as measure_outcomes
from mlops_assets.core.monitoring.performance_html import write_performance_html
from mlops_assets.core.monitoring.quality.group_values import sensitive_slices
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.plots.overview import metric_over_time
from mlops_assets.core.product import Product
from mlops_assets.core.registry.tag_names import TEST_METRICS_TAG
from mlops_assets.core.release.champion import Champion, load_champion
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

CHECKED = "The newest outcomes bear out the champion's test value."


def monitoring_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the monitoring stage of one product."""
    reports = [drift_asset(product), _performance_report(product)]
    if sensitive_slices(product.spec.evaluation):
        reports.append(fairness_asset(product))
    return reports if product.spec.time is None else [*reports, verdicts_asset(product)]


def _performance_report(product: Product) -> dg.AssetsDefinition:
    key = dg.AssetKey([product.name, "performance_report"])
    lookback = window_lookback(product)

    @product_asset(
        product,
        "performance_report",
        stage="monitoring",
        kinds={"evidently"},
        is_partitioned=True,
        deps=[upstream(product, "outcomes", lookback=lookback)],
        check_specs=[dg.AssetCheckSpec("performance_holds", asset=key, description=CHECKED)],
    )
    def performance_report(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One row is a metric of a window of outcomes with its interval, beside the champion's value on its test rows.

        Made from `outcomes` that became known in the trailing window, of events that the champion was not made from.
        The verdict is stable, degraded or inconclusive. Read by the sensor `retrain_on_drift`.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        reference = _reference_metrics(lakehouse, product, champion)
        decline = DeclineOfChampion(product.spec, {name: astuple(one) for name, one in reference.items()})
        writes = TableWrites(context, lakehouse, product, "performance_report")
        windows = list(report_windows(context, product, "known_date"))
        unseen = UnseenOutcomes.read(lakehouse.tables, product, champion, windows=windows)
        any_reads = RecordedReads(context, lakehouse.tables, product, noun="performance_report")
        with ReportWrites(writes) as reports, one_blas_thread():
            for window in windows:
                reads = any_reads.another()
                outcomes = reads.rows("the window", unseen.within(window))
                reads.value("whether these are rows that the champion was made from", unseen.are_used)
                since = reads.rows("since then", unseen.within(window.since(champion.as_of)))
                report = _measured(
                    reads, product, champion, outcomes, reference=reference, evidence=decline.evidence(since)
                )
                if unseen.are_used:
                    report = replace(report, verdict="inconclusive", reason=SAME_ROWS)
                is_newest = window is windows[-1]
                page = _performance_page(platform, product, window, outcomes, report) if is_newest else None
                rows = report.to_frame().with_columns(rows=pl.lit(report.rows, pl.Int64))
                rows = stamped(rows, window, champion, report.verdict)
                reports.add(rows, window.partition, reads=reads)
                shown = _performance_metadata(report, champion, window, page_link(platform, page))
                describe_window(context, window, shown, windows=windows)
        if window.end_day is not None:
            context.add_asset_metadata(_over_time(lakehouse, product), partition_key=window.partition_key)
        return writes.result(
            check_results=[verdict_check("performance_holds", report, ("degraded",), champion, window)]
        )

    return performance_report


def _performance_page(
    platform: PlatformResource,
    product: Product,
    window: ReportWindow,
    outcomes: pl.DataFrame,
    report: PerformanceReport,
) -> Path | None:
    return write_performance_html(
        outcomes,
        label=product.spec.label.column,
        score="score",
        verdict=f"{report.verdict}, {report.reason}",
        path=report_path(
            platform.reports, product=product.name, kind="performance_report", window=window.name
        ),
    )


def _measured(
    reads: RecordedReads,
    product: Product,
    champion: Champion,
    outcomes: pl.DataFrame,
    *,
    reference: Mapping[str, ReferenceMetric],
    evidence: Evidence | None,
) -> PerformanceReport:
    spec = product.spec
    reads.value("the champion", champion.facts)
    reads.value("its metrics on its test rows", {name: astuple(one) for name, one in reference.items()})
    reads.declared("evaluation", "label", "monitoring", "training")
    return measure_outcomes(
        outcomes,
        label=spec.label.column,
        score="score",
        evaluation=spec.evaluation,
        monitoring=spec.monitoring,
        champion_reference=reference,
        seed=spec.training.seed,
        evidence=evidence,
    )


def _reference_metrics(
    lakehouse: LakehouseResource, product: Product, champion: Champion
) -> dict[str, ReferenceMetric]:
    """What the champion reached on its own test rows; a version of before this was stored with it has the table's."""
    stored = champion.registered.tags.get(TEST_METRICS_TAG)
    if stored is None:
        rows = lakehouse.tables.read(product.name, "evaluation", version=champion.evaluation_version)
        values = own_metrics(rows)
    else:
        values = json.loads(stored)
    return {metric: ReferenceMetric(value, low, high) for metric, (value, low, high) in values.items()}


@page_only
def _performance_metadata(
    report: PerformanceReport, champion: Champion, window: ReportWindow, link: dict[str, dg.MetadataValue]
) -> dict[str, object]:
    return {
        **shared_metadata(report, champion, window, link),
        "rows_in_window": report.rows,
        "positives_in_window": report.positives,
    }


@page_only
def _over_time(lakehouse: LakehouseResource, product: Product) -> dict[str, dg.MetadataValue]:
    """Draw the primary metric of every window that was reported so far."""
    metric = product.spec.evaluation.primary_metric
    windows = lakehouse.tables.read(product.name, "performance_report").filter(pl.col("metric") == metric)
    if windows.is_empty():
        return {}
    newest = windows.sort("event_date").row(-1, named=True)
    png = metric_over_time(
        windows.sort("event_date"), metric=metric, reference=newest["reference_value"], limit=newest["limit"]
    )
    return {"over_time": picture(png, caption="over time")}
