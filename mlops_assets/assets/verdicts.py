"""The asset `verdicts`: what monitoring says of each window, one row per topic and subject."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from mlops_assets.assets.fairness import NOUN as FAIRNESS
from mlops_assets.assets.support.asset_options import product_asset, upstream, window_lookback
from mlops_assets.assets.support.own_monitors import monitors_check, monitors_ran
from mlops_assets.assets.support.pictures import page_only, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reports.report_writes import ReportWrites
from mlops_assets.assets.support.reports.verdict_pages import write_pages_over_windows, write_window_page
from mlops_assets.assets.support.reports.windows import ReportWindow, report_windows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.custom.monitors import Failure, WindowMonitors
from mlops_assets.core.monitoring.drift.history import Span
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.estimated.champion_quality import ChampionQuality, WindowRows
from mlops_assets.core.monitoring.finding import Finding, findings_frame
from mlops_assets.core.monitoring.joint.windows import JointDrift
from mlops_assets.core.monitoring.quality.calibration import calibration_findings
from mlops_assets.core.monitoring.quality.fairness import TO_FRAME_SCHEMA as FAIRNESS_SCHEMA
from mlops_assets.core.monitoring.quality.fairness import fairness_findings
from mlops_assets.core.monitoring.quality.group_values import sensitive_slices
from mlops_assets.core.monitoring.quality.label_rate import label_days, label_drift, labels_known_to
from mlops_assets.core.monitoring.quality.performance import performance_findings
from mlops_assets.core.monitoring.quality.verdict import quality_verdict
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.monitoring.upkeep.age import data_age, model_age
from mlops_assets.core.monitoring.upkeep.parity import PARITY_COLUMNS, parity_findings
from mlops_assets.core.monitoring.upkeep.service import SERVICE_COLUMNS, service_findings
from mlops_assets.core.monitoring.volume import volume_findings
from mlops_assets.core.predictions.captured import TABLE as SERVED
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion, load_champion
from mlops_assets.core.runtime.prefetch import computed_ahead
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

NOUN = "verdicts"
ESTIMATING_THREADS = 2
"""Estimates are most of what a window costs, and let go of Python's lock."""


def verdicts_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset of a product with a time axis."""

    @product_asset(
        product,
        NOUN,
        stage="monitoring",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=_made_from(product),
        check_specs=monitors_check(product),
    )
    def verdicts(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        platform: PlatformResource,
    ) -> dg.MaterializeResult:
        """One row is what one topic says about one subject of a window: a column's drift, a metric, a day's fault.

        Made from the reports of the same day, from what the released version scored in the window with the labels that
        were known at its end, from what was served, and by the product's own `monitors.py`, where it has one. State is
        ok, alarm or inconclusive; cause says whether a source is broken or the world changed. Alarms come first, the
        larger consequence first. Read by the alerts, and its `verdict` by the sensor `retrain_on_drift`: whether the
        primary metric is estimated to hold, or a source is broken. Each window has a page for people, and there is one
        over all windows.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        writes = TableWrites(context, lakehouse, product, NOUN)
        windows = list(report_windows(context, product, "event_date"))
        sources = _sources(writes, champion, [_days_of(window) for window in windows])
        any_reads = RecordedReads(context, lakehouse.tables, product, noun=NOUN)
        failures: list[tuple[str, Failure]] = []
        with ReportWrites(writes) as reports, one_blas_thread():
            for window, estimated in zip(windows, sources.estimated(windows), strict=True):
                reads = any_reads.another()
                own, failed = sources.custom(window, estimated, reads)
                found = (*sources.findings(window, estimated, reads), *own)
                failures += [(window.name, one) for one in failed]
                frame = findings_frame(found).with_columns(
                    champion_version=pl.lit(champion.version, pl.Int64), event_date=pl.lit(window.end_day)
                )
                reports.add(frame, window.partition, reads=reads)
                page = write_window_page(platform, sources.drift.drift, window, found)
                shown = {**_told(found, champion, window=window.name), **_shown(frame), **page}
                context.add_asset_metadata(shown, partition_key=window.partition_key)
        return writes.result(
            write_pages_over_windows(
                platform, lakehouse.tables, product, written=windows, events=sources.counts
            ),
            check_results=monitors_ran(context, product, failures),
        )

    return verdicts


def _made_from(product: Product) -> list[dg.AssetDep]:
    lookback = window_lookback(product)
    return [
        upstream(product, "drift_report"),
        upstream(product, "performance_report"),
        *([upstream(product, FAIRNESS)] if sensitive_slices(product.spec.evaluation) else []),
        *(upstream(product, noun, lookback=lookback) for noun in ("parity_report", SERVED)),
        *(upstream(product, noun, lookback=lookback) for noun in ("predictions", "features")),
        *(upstream(product, noun, lookback=lookback) for noun in ("events", "labels")),
    ]


def _days_of(window: ReportWindow) -> DayRange:
    if window.days is None:
        raise MonitoringError("verdicts are of windows of days, and a cohort has none")
    return window.days


def _sources(writes: TableWrites, champion: Champion, days: Sequence[DayRange]) -> "_Sources":
    tables, product = writes.lakehouse.tables, writes.product
    whole = DayRange(min(one.first for one in days), max(one.end for one in days))
    counts = dict(tables.day_counts(product.name, "events").iter_rows())
    drift = WindowDrift(ChampionProfiles(tables, product, champion, writes.commit_info), whole)
    return _Sources(
        product=product,
        champion=champion,
        drift=JointDrift(drift, counts),
        monitors=WindowMonitors(drift),
        quality=ChampionQuality(tables, product, champion, whole),
        counts=counts,
        performance=tables.read(product.name, "performance_report"),
        fairness=_fairness(tables, product),
        known_labels=_known_labels(tables, product),
        parity=_answered(tables, product, "parity_report", whole),
        served=_answered(tables, product, SERVED, whole),
    )


def _answered(tables: DeltaTables, product: Product, noun: str, days: DayRange) -> pl.DataFrame:
    """Read what parity and service are judged by: of the days of the requests."""
    columns = {**(SERVICE_COLUMNS if noun == SERVED else PARITY_COLUMNS), days.column: pl.Date}
    if not tables.exists(product.name, noun):
        return pl.DataFrame(schema=columns)
    return tables.read(product.name, noun, columns=list(columns), days=days)


def _fairness(tables: DeltaTables, product: Product) -> pl.DataFrame:
    if not sensitive_slices(product.spec.evaluation) or not tables.exists(product.name, FAIRNESS):
        return pl.DataFrame(schema={**FAIRNESS_SCHEMA, "event_date": pl.Date})
    return tables.read(product.name, FAIRNESS)


def _known_labels(tables: DeltaTables, product: Product) -> dict[date, tuple[int, int]]:
    """Count the labels that became known on each day, and those of them that are 1."""
    label = pl.col(product.spec.label.column)
    counted = (
        tables.scan(product.name, "labels")
        .group_by("known_date")
        .agg(pl.len().cast(pl.Int64), label.cast(pl.Int64).sum().alias("positives"))
        .collect()
    )
    return {day: (rows, positives) for day, rows, positives in counted.sort("known_date").iter_rows()}


@dataclass(frozen=True)
class _Sources:
    """What the windows of a run are judged by; what they share is read once."""

    product: Product
    champion: Champion
    drift: JointDrift
    quality: ChampionQuality
    monitors: WindowMonitors
    counts: Mapping[Any, int]
    """Events by day."""
    performance: pl.DataFrame
    """All rows of the report."""
    fairness: pl.DataFrame
    """The same of the fairness report; none without a sensitive slice."""
    known_labels: Mapping[date, tuple[int, int]]
    """Labels by the day on which they became known: how many, and how many of them are 1."""
    parity: pl.DataFrame
    """Of the parity report what is judged."""
    served: pl.DataFrame
    """Of the captured predictions what the service is judged by."""

    def estimated(self, windows: Sequence[ReportWindow]) -> Iterator[tuple[WindowRows, tuple[Finding, ...]]]:
        """Yield what the champion scored in each window, and how good that is estimated to be."""
        scored = (self.quality.window(_days_of(window)) for window in windows)
        return computed_ahead(
            scored, lambda rows: (rows, self.quality.findings(rows)), threads=ESTIMATING_THREADS
        )

    def findings(
        self,
        of: ReportWindow,
        estimated: tuple[WindowRows, tuple[Finding, ...]],
        reads: RecordedReads,
    ) -> Iterator[Finding]:
        """Yield all that is said of one window; what is read for it is recorded."""
        spec, window = self.product.spec, _days_of(of)
        days, end_day = Span(window.first, window.end).days(), window.end - timedelta(days=1)
        scored, estimates = estimated
        reads.declared("monitoring", "training", "split", "time", "evaluation", "source", "label")
        reads.value("the champion", self.quality.facts)
        reads.rows("what the champion scored", scored.rows)
        reads.value("how many rows it scored", scored.scored)
        reads.value("the profiles", self.drift.content(window))
        events = {day: count for day, count in self.counts.items() if day < window.end}
        reads.value("events by day", {str(day): count for day, count in sorted(events.items())})
        fairness = reads.rows("fairness", self.fairness.filter(pl.col("event_date") == end_day))
        performance = reads.rows("performance", self.performance.filter(pl.col("event_date") == end_day))
        kept_up = self._upkeep(window, end_day, events, reads)
        labels = {day: known for day, known in self.known_labels.items() if day < window.end}
        reads.value("labels by day", {str(day): known for day, known in labels.items()})
        yield from self.drift.judge(window).findings()
        volume = volume_findings(events, days=days, below=spec.source.silent_below)
        yield from (one for one in volume if one.state != "alarm")  # an alarm is a fault of the report above
        yield from performance_findings(performance, primary=spec.evaluation.primary_metric)
        yield from estimates
        yield from calibration_findings(
            performance,
            allowed=self.quality.allowed_bias,
            confidence=spec.evaluation.confidence,
            monitoring=spec.monitoring,
            days_between=spec.days_between_windows,
        )
        if self.champion.as_of is not None:
            known = labels_known_to(spec, label_days(labels), as_of=self.champion.as_of)
            yield label_drift(
                known, window=window, monitoring=spec.monitoring, days_between=spec.days_between_windows
            )
        yield from fairness_findings(fairness)
        yield from kept_up

    def custom(
        self, of: ReportWindow, estimated: tuple[WindowRows, tuple[Finding, ...]], reads: RecordedReads
    ) -> tuple[list[Finding], list[Failure]]:
        """Say what the product's own monitors find, and which of them could not be run; what they read is recorded."""
        window = _days_of(of)
        read = self.monitors.content(window)
        if read:
            reads.value("what the product's monitors read", read)
        return self.monitors.findings(window, estimated[0])

    def _upkeep(
        self, window: DayRange, end_day: date, events: Mapping[date, int], reads: RecordedReads
    ) -> list[Finding]:
        """Say how old model and data are, and what the service did with the events of the window."""
        parity, served = (answered.filter(window.contains()) for answered in (self.parity, self.served))
        reads.rows("parity", parity)
        reads.rows("captured predictions", served)
        found = [data_age(events, last_day=end_day)]
        if self.champion.as_of is not None:
            oldest = self.product.spec.monitoring.maximum_model_age_days
            found.append(model_age(self.champion.as_of, window_end=window.ends_at, maximum_days=oldest))
        return [*found, *parity_findings(parity), *service_findings(served)]


def _told(found: Sequence[Finding], champion: Champion, *, window: str) -> dict[str, str | int]:
    """What the sensor reads of a window."""
    said = quality_verdict(found)
    return {
        "verdict": said.verdict,
        "reason": said.reason,
        "window_end": window,
        "champion_version": champion.version,
    }


@page_only
def _shown(frame: pl.DataFrame) -> dict[str, dg.MetadataValue | int]:
    alarms = frame.filter(pl.col("state") == "alarm")
    columns = ["topic", "subject", "state", "cause", "reason"]
    return {"alarms": alarms.height, "findings": table(frame.select(columns))}
