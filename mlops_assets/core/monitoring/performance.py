"""Quality of served predictions against the outcomes that are known by now, beside the champion's test value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.evaluation.bootstrap import Resamples, percentile_interval
from mlops_assets.core.evaluation.metrics import METRICS, DecisionMetrics, ProbabilityMetrics, RankingMetrics
from mlops_assets.core.evaluation.resampled_metrics import Estimate, Population, resample_metrics
from mlops_assets.core.monitoring.decline.evidence import Evidence
from mlops_assets.core.product_spec import Evaluation, Monitoring

PerformanceVerdict = Literal["stable", "degraded", "inconclusive"]

TO_FRAME_SCHEMA = {
    "metric": pl.String,
    "title": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "reference_value": pl.Float64,
    "reference_low": pl.Float64,
    "reference_high": pl.Float64,
    "limit": pl.Float64,
}


@dataclass(frozen=True)
class ReferenceMetric:
    """The champion's value on its own test rows, with its interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class WindowMetric:
    """One metric on a window of outcomes; null where it is undefined, or its interval cannot be claimed."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    reference: ReferenceMetric | None
    limit: float | None
    """Primary metric only: the reference made worse by `performance_drop`."""


@dataclass(frozen=True)
class PerformanceReport:
    """A window's verdict and the evidence for it."""

    verdict: PerformanceVerdict
    reason: str
    primary_metric: str
    metrics: tuple[WindowMetric, ...]
    """The primary metric first; empty when the window has no known outcome."""
    rows: int
    positives: int

    def to_frame(self) -> pl.DataFrame:
        """One row per metric: the table for the lakehouse and for the asset's page."""
        rows = [
            {
                "metric": m.metric,
                "title": METRICS[m.metric].title,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "reference_value": m.reference.value if m.reference else None,
                "reference_low": m.reference.low if m.reference else None,
                "reference_high": m.reference.high if m.reference else None,
                "limit": m.limit,
            }
            for m in self.metrics
        ]
        return pl.DataFrame(rows, schema=TO_FRAME_SCHEMA)


def performance_report(
    outcomes: pl.DataFrame,
    *,
    label: str,
    score: str,
    evaluation: Evaluation,
    monitoring: Monitoring,
    champion_reference: Mapping[str, ReferenceMetric],
    seed: int,
    evidence: Evidence | None = None,
) -> PerformanceReport:
    """Measure a window of outcomes and say whether the primary metric fell below the champion's test value.

    outcomes: one row per prediction with a known outcome: label (0/1), score (probability), `decision`, and
    the evaluation's group column where it declares one. Intervals come from one seeded bootstrap of the
    window.

    monitoring: the declared limits. champion_reference: its test value per metric. seed: of the bootstrap. evidence:
    what all outcomes since the champion's as-of time say together; None judges the window alone.

    Raises: MonitoringError for a missing column, a null, a label other than 0 and 1, or a champion without
    a value of the primary metric.
    """
    primary = evaluation.primary_metric
    if primary not in champion_reference:
        raise MonitoringError(
            f"performance: the champion has no test value of {primary}, only of "
            f"{', '.join(champion_reference)}; evaluate it again"
        )
    _check(outcomes, label=label, score=score, group=evaluation.group_column)
    positives = int(outcomes[label].sum())
    metrics = _measure(
        outcomes, label=label, score=score, evaluation=evaluation, monitoring=monitoring, seed=seed,
        references=champion_reference,
    )  # fmt: skip
    verdict, reason = judge_performance(
        metrics, rows=outcomes.height, positives=positives, monitoring=monitoring, evidence=evidence
    )
    return PerformanceReport(
        verdict=verdict,
        reason=reason,
        primary_metric=primary,
        metrics=metrics,
        rows=outcomes.height,
        positives=positives,
    )


def judge_performance(
    metrics: Sequence[WindowMetric],
    *,
    rows: int,
    positives: int,
    monitoring: Monitoring,
    evidence: Evidence | None = None,
) -> tuple[PerformanceVerdict, str]:
    """Turn the primary metric, the first one, into the window's verdict and a sentence that says why.

    Degraded where its whole interval lies beyond the limit, or where all windows together prove a decline. Stable where
    the whole interval lies on the good side. Else inconclusive: a window that is merely small or noisy proves neither.

    metrics: of the window. rows, positives: its known outcomes. monitoring: the declared limits. evidence: of all
    outcomes since the champion's as-of time; None judges the window alone.
    """
    if evidence is not None and evidence.is_found:
        return "degraded", _found(evidence)
    if few := _too_few(rows, positives, monitoring):
        return "inconclusive", few
    primary = metrics[0]
    if primary.low is None or primary.high is None or primary.limit is None or primary.reference is None:
        return "inconclusive", f"no interval of {primary.metric} can be claimed on {rows} rows"
    is_lower_better = METRICS[primary.metric].direction < 0
    is_beyond = primary.low > primary.limit if is_lower_better else primary.high < primary.limit
    found = (
        f"{primary.metric} {primary.value:.3f} [{primary.low:.3f}, {primary.high:.3f}], "
        f"the champion's test value {primary.reference.value:.3f}, limit {primary.limit:.3f}"
    )
    if is_beyond:
        return "degraded", f"{found}: the whole interval lies beyond the limit"
    if primary.high <= primary.limit if is_lower_better else primary.low >= primary.limit:
        return "stable", f"{found}: the whole interval lies on the good side of the limit"
    return "inconclusive", f"{found}: the limit lies inside the interval{_so_far(evidence)}"


def _too_few(rows: int, positives: int, monitoring: Monitoring) -> str | None:
    if not rows:
        return "no outcome of this window is known yet"
    if rows < monitoring.minimum_rows:
        return f"the window has {rows} known outcomes, {monitoring.minimum_rows} are needed"
    fewer = min(positives, rows - positives)
    if fewer < monitoring.minimum_positives:
        which = "positive" if positives <= rows - positives else "negative"
        return (
            f"the window has {fewer} {which} outcomes, "
            f"{monitoring.minimum_positives} of each class are needed"
        )
    return None


def _found(evidence: Evidence) -> str:
    return (
        f"since {evidence.since} it has been {evidence.value:.3f}, {evidence.decline:.3f} worse than the champion's "
        f"test value: evidence {evidence.evidence:.3g} over {evidence.blocks} disjoint blocks, "
        f"{evidence.threshold:.3g} is enough"
    )


def _so_far(evidence: Evidence | None) -> str:
    if evidence is None or not evidence.blocks:
        return ""
    return (
        f"; evidence of a decline {evidence.evidence:.3g} over {evidence.blocks} disjoint blocks, "
        f"{evidence.threshold:.3g} is enough"
    )


def _check(outcomes: pl.DataFrame, *, label: str, score: str, group: str | None) -> None:
    needed = [label, score, "decision", *([group] if group else [])]
    missing = [name for name in needed if name not in outcomes.columns]
    if missing:
        raise MonitoringError(
            f"performance: the outcomes have no column {', '.join(missing)}; "
            f"they have {', '.join(outcomes.columns)}"
        )
    for name in needed:
        count = outcomes[name].null_count()
        if count:
            raise MonitoringError(f"performance: {count} of {outcomes.height} outcomes have a null {name}")
    wrong = outcomes.filter(~pl.col(label).is_in([0, 1]))
    if wrong.height:
        raise MonitoringError(
            f"performance: {wrong.height} labels are not 0 or 1, for example {wrong[label][0]!r}"
        )


def _measure(
    outcomes: pl.DataFrame,
    *,
    label: str,
    score: str,
    evaluation: Evaluation,
    monitoring: Monitoring,
    references: Mapping[str, ReferenceMetric],
    seed: int,
) -> tuple[WindowMetric, ...]:
    if not outcomes.height:
        return ()
    labels = outcomes[label].cast(pl.Int8).to_numpy()
    scores = outcomes[score].cast(pl.Float64).to_numpy()
    decisions = outcomes["decision"].cast(pl.Float64).to_numpy()
    window = Population(
        rows=np.arange(outcomes.height),
        metrics=(
            RankingMetrics(labels, scores),
            ProbabilityMetrics(labels, scores),
            DecisionMetrics(labels, decisions, threshold=0.5, cost=evaluation.cost),
        ),
    )
    estimates = resample_metrics(
        {("champion", "window"): window}, _resamples(outcomes, evaluation, seed=seed)
    )
    by_name = estimates["champion", "window"]
    order = sorted(by_name, key=lambda name: name != evaluation.primary_metric)
    return tuple(
        _window_metric(
            name, by_name[name], evaluation=evaluation, monitoring=monitoring, reference=references.get(name)
        )
        for name in order
    )


def _resamples(outcomes: pl.DataFrame, evaluation: Evaluation, *, seed: int) -> Resamples:
    groups = None
    if evaluation.group_column is not None:
        groups = (outcomes[evaluation.group_column].rank("dense").cast(pl.Int64) - 1).to_numpy()
    return Resamples(rows=outcomes.height, samples=evaluation.bootstrap_samples, seed=seed, groups=groups)


def _window_metric(
    name: str,
    estimate: Estimate,
    *,
    evaluation: Evaluation,
    monitoring: Monitoring,
    reference: ReferenceMetric | None,
) -> WindowMetric:
    interval = percentile_interval(
        estimate.samples,
        value=estimate.value,
        confidence=evaluation.confidence,
        is_folded=METRICS[name].is_folded,
    )
    limit = None
    if name == evaluation.primary_metric and reference is not None:
        limit = reference.value - METRICS[name].direction * monitoring.performance_drop
    return WindowMetric(
        metric=name,
        value=None if np.isnan(estimate.value) else estimate.value,
        low=interval.low,
        high=interval.high,
        reference=reference,
        limit=limit,
    )
