"""The monitoring stage: whether the newest predictions and outcomes look like those that the champion was judged on."""

import json
from collections.abc import Mapping
from dataclasses import astuple, replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.report_windows import ReportWindow, report_windows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.contracts.event_identity import first_versions
from mlops_assets.core.evaluation.product_contenders import own_metrics
from mlops_assets.core.identity.content import rows_digest
from mlops_assets.core.labels.outcomes import newest_outcomes
from mlops_assets.core.lakehouse.day_range import days_of
from mlops_assets.core.monitoring.categories import category_features
from mlops_assets.core.monitoring.decline.evidence import Evidence
from mlops_assets.core.monitoring.decline.since_champion import DeclineOfChampion
from mlops_assets.core.monitoring.drift import DriftReport
from mlops_assets.core.monitoring.drift import drift_report as compare_with_reference
from mlops_assets.core.monitoring.drift_html import write_drift_html
from mlops_assets.core.monitoring.performance import PerformanceReport, ReferenceMetric
from mlops_assets.core.monitoring.performance import performance_report as measure_outcomes
from mlops_assets.core.monitoring.performance_html import write_performance_html
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.plots.overview import drift_scores, metric_over_time
from mlops_assets.core.product import Product
from mlops_assets.core.registry.learned_rows import rows_learned_by
from mlops_assets.core.registry.tag_names import TEST_METRICS_TAG
from mlops_assets.core.release.champion import Champion, champion_held_out, load_champion, reference_rows
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

SAME_ROWS = "these are rows that the champion was made from or chosen on; members that it never saw can tell"


def monitoring_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the monitoring stage of one product."""
    return [_drift_report(product), _performance_report(product)]


def _drift_report(product: Product) -> dg.AssetsDefinition:
    monitoring, seed = product.spec.monitoring, product.spec.training.seed
    lookback = timedelta(days=monitoring.window_days - 1)
    key = dg.AssetKey([product.name, "drift_report"])

    @product_asset(
        product,
        "drift_report",
        stage="monitoring",
        kinds={"evidently"},
        is_partitioned=True,
        deps=[upstream(product, noun, lookback=lookback) for noun in ("predictions", "features")],
        check_specs=[
            dg.AssetCheckSpec("no_drift", asset=key, description="The window looks like the reference.")
        ],
    )
    def drift_report(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One row is a column of a window of predictions, compared with the champion's reference rows.

        Made from `predictions` and their `features`: features and score of the trailing window against rows of the
        champion's training set that it was not fitted on. Evidently's report is linked; the verdict is stable, drift or
        inconclusive. Read by the sensor `retrain_on_drift`.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        reference = reference_rows(lakehouse.tables, product, champion)
        judged_against = rows_digest(reference)
        writes = TableWrites(context, lakehouse, product, "drift_report")
        for window in report_windows(context, product, "event_date"):
            reads = RecordedReads(context, lakehouse.tables, product, noun="drift_report")
            reads.value("the reference rows", judged_against)
            reads.value("the champion", champion.facts)
            reads.declared("monitoring", "training")
            current = reads.rows("the window", _scored_features(lakehouse, product, champion, window))
            report = compare_with_reference(
                reference,
                current,
                feature_names=champion.model.feature_names,
                score="score",
                monitoring=monitoring,
                seed=seed,
                categories=category_features(replace(product, view=champion.view)),
            )
            path = report_path(
                platform.reports, product=product.name, kind="drift_report", window=window.name
            )
            page = write_drift_html(report, reference, current, monitoring=monitoring, seed=seed, path=path)
            rows = _stamped(report.to_frame(), window, champion, report.verdict)
            writes.write(rows, window.partition, reads=reads, allow_new_columns=True)
            _describe(context, window, _drift_metadata(report, champion, window, _link(platform, page)))
        return writes.result(check_results=[_check("no_drift", report, "drift", champion, window)])

    return drift_report


def _scored_features(
    lakehouse: LakehouseResource, product: Product, champion: Champion, window: ReportWindow
) -> pl.DataFrame:
    tables, id_column = lakehouse.tables, product.spec.id_column
    predictions = (
        tables.scan(product.name, "predictions", days=window.days)
        .filter(pl.col("model_version") == champion.version)
        .select(id_column, "score")
    )
    features = features_by_view(tables, product.name, champion.view, days=window.days).rows
    return (
        predictions.collect()
        .join(features.select(id_column, *champion.model.feature_names), on=id_column, how="inner")
        .sort(id_column)
    )


def _performance_report(product: Product) -> dg.AssetsDefinition:
    spec = product.spec
    key = dg.AssetKey([product.name, "performance_report"])
    lookback = timedelta(days=spec.monitoring.window_days - 1)

    @product_asset(
        product,
        "performance_report",
        stage="monitoring",
        kinds={"evidently"},
        is_partitioned=True,
        deps=[upstream(product, "outcomes", lookback=lookback)],
        check_specs=[
            dg.AssetCheckSpec(
                "performance_holds",
                asset=key,
                description="The newest outcomes bear out the champion's test value.",
            )
        ],
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
        for window in report_windows(context, product, "known_date"):
            reads = RecordedReads(context, lakehouse.tables, product, noun="performance_report")
            outcomes = reads.rows("the window", _unseen_outcomes(lakehouse, product, champion, window))
            are_used = _are_used_rows(lakehouse, product, champion, outcomes)
            reads.value("whether these are rows that the champion was made from", are_used)
            longer = window.since(champion.as_of)
            since = reads.rows("since then", _unseen_outcomes(lakehouse, product, champion, longer))
            report = _measured(
                reads, product, champion, outcomes, reference=reference, evidence=decline.evidence(since)
            )
            if are_used:
                report = replace(report, verdict="inconclusive", reason=SAME_ROWS)
            page = _performance_page(platform, product, window, outcomes, report)
            rows = report.to_frame().with_columns(rows=pl.lit(report.rows, pl.Int64))
            writes.write(_stamped(rows, window, champion, report.verdict), window.partition, reads=reads)
            _describe(context, window, _performance_metadata(report, champion, window, _link(platform, page)))
        if window.end_day is not None:
            context.add_asset_metadata(_over_time(lakehouse, product), partition_key=window.name)
        return writes.result(
            check_results=[_check("performance_holds", report, "degraded", champion, window)]
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


def _unseen_outcomes(
    lakehouse: LakehouseResource, product: Product, champion: Champion, window: ReportWindow
) -> pl.DataFrame:
    """Outcomes of the champion's own predictions of events after its as-of time, with the group column.

    Of a cohort those of members that it never saw; all of them while there are no others.
    """
    spec = product.spec
    outcomes = (
        lakehouse.tables.scan(product.name, "outcomes", days=window.days)
        .filter(pl.col("model_version") == champion.version)
        .collect()
    )
    if champion.as_of is not None:
        newest = newest_outcomes(outcomes, as_of=None)
        outcomes = newest.filter(pl.col("event_timestamp") >= champion.as_of)
    elif product.spec.time is None:
        new = _new_members(lakehouse, product, champion, outcomes)
        outcomes = outcomes if new.is_empty() else new
    group = spec.evaluation.group_column
    if group is None or group in outcomes.columns:
        return outcomes
    days = days_of(outcomes, product.view.event_timestamp)
    times = [KNOWN_AT] if spec.time else []
    read = (
        lakehouse.tables.scan(product.name, "events", days=days)
        .select(spec.id_column, group, *times)
        .collect()
    )
    groups = first_versions(read, id_column=spec.id_column).select(spec.id_column, group)
    return outcomes.join(groups, on=spec.id_column, how="left", maintain_order="left")


def _are_used_rows(
    lakehouse: LakehouseResource, product: Product, champion: Champion, outcomes: pl.DataFrame
) -> bool:
    """Tell whether a cohort's outcomes are rows that the champion was made from or chosen on."""
    if product.spec.time is not None or outcomes.is_empty():
        return False
    return _new_members(lakehouse, product, champion, outcomes).is_empty()


def _new_members(
    lakehouse: LakehouseResource, product: Product, champion: Champion, outcomes: pl.DataFrame
) -> pl.DataFrame:
    """Outcomes of a cohort's members that are not in the champion's training set, in none of its splits."""
    tables, id_column = lakehouse.tables, product.spec.id_column
    learned = rows_learned_by(
        champion.tracking_uri, champion.registered, champion.model, tables=tables, id_column=id_column
    )
    held_out = champion_held_out(tables, product, champion)[id_column]
    used = pl.concat([learned, held_out])
    return outcomes.filter(~pl.col(id_column).is_in(used.implode()))


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


def _stamped(frame: pl.DataFrame, window: ReportWindow, champion: Champion, verdict: str) -> pl.DataFrame:
    stamped = frame.with_columns(
        window_verdict=pl.lit(verdict), champion_version=pl.lit(champion.version, pl.Int64)
    )
    return stamped if window.end_day is None else stamped.with_columns(event_date=pl.lit(window.end_day))


@page_only
def _describe(
    context: dg.AssetExecutionContext, window: ReportWindow, metadata: Mapping[str, object]
) -> None:
    partition = None if window.end_day is None else window.name
    context.add_asset_metadata(metadata, partition_key=partition)
    context.log.info(f"{window.name}: {metadata['verdict']}, {metadata['reason']}")


@page_only
def _shared_metadata(
    report: DriftReport | PerformanceReport,
    champion: Champion,
    window: ReportWindow,
    link: dict[str, dg.MetadataValue],
) -> dict[str, object]:
    metadata: dict[str, object] = {
        "verdict": report.verdict,
        "reason": report.reason,
        "champion_version": champion.version,
        "window": window.words,
        "columns": table(report.to_frame()),
    }
    if window.end_day is not None:
        metadata["window_end"] = window.end_day.isoformat()
    return metadata | link


def _link(platform: PlatformResource, page: Path | None) -> dict[str, dg.MetadataValue]:
    """Where Evidently's page is read; nothing where none was written."""
    return {} if page is None else {"evidently_report": dg.MetadataValue.url(platform.report_url(page))}


@page_only
def _drift_metadata(
    report: DriftReport, champion: Champion, window: ReportWindow, link: dict[str, dg.MetadataValue]
) -> dict[str, object]:
    threshold = report.score.threshold
    bars = drift_scores(report.to_frame(), threshold=threshold, rows=report.rows_current)
    return {
        **_shared_metadata(report, champion, window, link),
        "alarmed_columns": dg.MetadataValue.json(list(report.alarmed_columns)),
        "rows_in_window": report.rows_current,
        "drift": picture(bars, caption="drift"),
    }


@page_only
def _performance_metadata(
    report: PerformanceReport, champion: Champion, window: ReportWindow, link: dict[str, dg.MetadataValue]
) -> dict[str, object]:
    return {
        **_shared_metadata(report, champion, window, link),
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


def _check(
    name: str, report: DriftReport | PerformanceReport, alarm: str, champion: Champion, window: ReportWindow
) -> dg.AssetCheckResult:
    """Judge a run by the verdict on its newest window.

    name: the check's. report: of that window. alarm: the verdict that fails. champion, window: what it speaks of.
    """
    return dg.AssetCheckResult(
        check_name=name,
        passed=report.verdict != alarm,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"version {champion.version}, {window.words}: {report.verdict}: {report.reason}",
        metadata={
            "verdict": report.verdict,
            "champion_version": champion.version,
            "window": window.words,
        },
    )
