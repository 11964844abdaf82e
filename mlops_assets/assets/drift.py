"""The asset `drift_report`: whether the newest predictions look like what the champion was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream, window_lookback
from mlops_assets.assets.support.pictures import page_only, picture
from mlops_assets.assets.support.recorded_reads import RecordedReads
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
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.drift.html import write_drift_html
from mlops_assets.core.monitoring.drift.report import DriftReport
from mlops_assets.core.monitoring.drift.windows import WindowDrift, cohort_drift
from mlops_assets.core.monitoring.joint.windows import JointDrift
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.plots.overview import drift_scores
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion, load_champion, reference_rows
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

NOUN = "drift_report"


def drift_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset of one product."""
    lookback = window_lookback(product)
    key = dg.AssetKey([product.name, NOUN])

    @product_asset(
        product,
        NOUN,
        stage="monitoring",
        kinds={"evidently"},
        is_partitioned=True,
        deps=[
            *(upstream(product, noun, lookback=lookback) for noun in ("predictions", "features")),
            *([upstream(product, "events", lookback=lookback)] if product.spec.time else []),
        ],
        check_specs=[
            dg.AssetCheckSpec("no_drift", asset=key, description="The window looks like the history.")
        ],
    )
    def drift_report(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One row is a column of a window of predictions, compared with the history that the champion was made from.

        Made from `predictions` and their `features`: how many rows of the trailing window moved, beside how far windows
        of the history lie from each other, and whether columns go together as they did. A day of the window with hardly
        any `events` is a broken source. What is kept of each day for that are the tables `profiles` and `pair_sums`.
        Evidently's page of the newest window of a run is linked; the verdict is stable, drift, broken or inconclusive.
        Read by the sensor `retrain_on_drift`, which asks for nothing where a source is broken.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        writes = TableWrites(context, lakehouse, product, NOUN)
        windows = list(report_windows(context, product, "event_date"))
        judged = _Judged(
            lakehouse.tables, product, champion, writes, _drift_of(context, windows, writes, champion)
        )
        any_reads = RecordedReads(context, lakehouse.tables, product, noun=NOUN)
        with ReportWrites(writes) as reports, one_blas_thread():
            for window in windows:
                reads = any_reads.another()
                report = judged.report(window, reads)
                is_newest = window is windows[-1]
                page = judged.page(report, window, platform) if is_newest else None
                rows = stamped(report.to_frame(), window, champion, report.verdict)
                reports.add(rows, window.partition, reads=reads)
                link = page_link(platform, page)
                shown = _drift_metadata(report, champion, window, link, is_drawn=is_newest)
                describe_window(context, window, shown, windows=windows)
        return writes.result(
            check_results=[verdict_check("no_drift", report, ("drift", "broken"), champion, window)]
        )

    return drift_report


def _drift_of(
    context: dg.AssetExecutionContext,
    windows: Sequence[ReportWindow],
    writes: TableWrites,
    champion: Champion,
) -> JointDrift | ChampionProfiles:
    """Prepare to judge all windows of a run; of a cohort there is one, and no history."""
    profiles = ChampionProfiles(
        writes.lakehouse.tables, writes.product, champion, writes.commit_info, progress=context.log.info
    )
    days = [window.days for window in windows if window.days is not None]
    if not days:
        return profiles
    whole = DayRange(min(d.first for d in days), max(d.end for d in days))
    tables, product = writes.lakehouse.tables, writes.product
    events = (
        dict(tables.day_counts(product.name, "events").iter_rows())
        if tables.exists(product.name, "events")
        else {}
    )
    return JointDrift(WindowDrift(profiles, whole), events)


@dataclass(frozen=True)
class _Judged:
    """Judges the windows of one run, and writes the page of one."""

    tables: DeltaTables
    product: Product
    champion: Champion
    writes: TableWrites
    drift: JointDrift | ChampionProfiles

    def report(self, window: ReportWindow, reads: RecordedReads) -> DriftReport:
        """Judge a window; what that read is recorded."""
        reads.value("the champion", self.champion.facts)
        reads.declared("monitoring", "training", "split", "time")
        if isinstance(self.drift, JointDrift) and window.days is not None:
            reads.value("the profiles of the window and of the history", self.drift.content(window.days))
            return self.drift.judge(window.days)
        profiles = self.drift if isinstance(self.drift, ChampionProfiles) else self.drift.drift.profiles
        current = reads.rows("the window", scored_features(self.tables, self.product, self.champion, window))
        reference = reads.rows("the reference rows", reference_rows(self.tables, self.product, self.champion))
        return cohort_drift(reference, current, profiles_of=profiles, seed=self.product.spec.training.seed)

    def page(self, report: DriftReport, window: ReportWindow, platform: PlatformResource) -> Path | None:
        """Write Evidently's page of a window, from a sample of its rows and of the champion's test rows."""
        maximum = self.product.spec.monitoring.maximum_rows
        return write_drift_html(
            report,
            reference_rows(self.tables, self.product, self.champion, at_most=maximum),
            scored_features(self.tables, self.product, self.champion, window),
            maximum_rows=maximum,
            seed=self.product.spec.training.seed,
            path=report_path(platform.reports, product=self.product.name, kind=NOUN, window=window.name),
        )


def scored_features(
    tables: DeltaTables, product: Product, champion: Champion, window: ReportWindow
) -> pl.DataFrame:
    """Return the rows that the champion scored in a window, by id: id, features and `score`."""
    id_column = product.spec.id_column
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


@page_only
def _drift_metadata(
    report: DriftReport,
    champion: Champion,
    window: ReportWindow,
    link: dict[str, dg.MetadataValue],
    *,
    is_drawn: bool,
) -> dict[str, object]:
    """Return what the window's page says; a picture where somebody will look: at the newest window of a run."""
    metadata = {
        **shared_metadata(report, champion, window, link),
        "alarmed_columns": dg.MetadataValue.json(list(report.alarmed_columns)),
        "rows_in_window": report.rows_current,
    }
    if is_drawn:
        bars = drift_scores(report.to_frame(), rows=report.rows_current)
        metadata["drift"] = picture(bars, caption="drift")
    return metadata
