"""The quality of a window before its labels come: one estimate per metric, with an interval and any doubt about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlops_assets.core.evaluation.bootstrap import percentile_interval
from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.evaluation.resampled_metrics import Estimate
from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap
from mlops_assets.core.monitoring.estimated.density_ratio import shift_between
from mlops_assets.core.monitoring.estimated.reference import LearnedReference
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.simulation import rectify, simulate
from mlops_assets.core.monitoring.estimated.soft_metrics import ESTIMATED_METRICS, SoftMetrics
from mlops_assets.core.monitoring.estimated.trust import (
    contradicted,
    least_rows,
    not_calibrated,
    outside_support,
    too_few,
)
from mlops_assets.core.product_spec import Evaluation, Monitoring

Method = Literal["confidence_based", "prediction_powered"]
_UNBOUNDED = frozenset({"log_loss", "cost_per_row"})


@dataclass(frozen=True, kw_only=True)
class EstimatedMetric:
    """What the window's labels will show of one metric, as far as it can be told without them."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    expected: float | None
    """The champion's value on the reference."""
    allowed_loss: float | None
    """By how much it may get worse before that is an alarm."""
    method: Method
    doubt: str | None
    """Why it is not to be trusted; None where no assumption is seen to fail."""

    @property
    def trusted(self) -> bool:
        """Whether no assumption is seen to fail; that the concept holds cannot be seen without labels."""
        return self.doubt is None


def estimate_quality(
    reference: ScoredRows, window: ScoredRows, *, evaluation: Evaluation, monitoring: Monitoring, seed: int
) -> tuple[EstimatedMetric, ...]:
    """Estimate each of `ESTIMATED_METRICS` on the window; the primary metric comes first.

    The score is calibrated anew on the reference, whose rows count as often as the window's population holds them
    (Bialek et al. 2024, arXiv 2401.08348). Labels are then expected as the map says. Where the window has known labels
    of both classes enough for the performance report, they correct the estimate (`rectify`); fewer are taken as facts.
    Assumed: at equal features and score the label is as frequent in the window as in the reference, but for what
    periods of the reference differ by, which widens the interval (`PeriodVariation`). No estimate without labels can
    see that fail; known labels are tested for it.

    reference: the champion's test rows, all labelled. window: labels known for some rows or none; assumed is that of
    rows with one score, early labels and late ones are alike. evaluation: primary metric, cost and confidence.
    monitoring: least rows and the allowed loss. seed: of every draw.
    """
    learned = LearnedReference(reference, evaluation, monitoring)
    return estimate_window(learned, window, seed=seed)


def estimate_window(
    reference: LearnedReference, window: ScoredRows, *, seed: int
) -> tuple[EstimatedMetric, ...]:
    """Estimate as `estimate_quality` does; of many windows the reference is learned once."""
    from threadpoolctl import threadpool_limits

    primary = reference.evaluation.primary_metric
    names = sorted(ESTIMATED_METRICS, key=lambda name: name != primary)
    if doubt := too_few(reference.rows, window, reference.monitoring):
        return tuple(_unknown(name, doubt) for name in names)
    # One thread: a sum's order is then always the same.
    with threadpool_limits(limits=1, user_api="blas"):
        found = _estimate(reference, window, seed=seed)
    return tuple(found[name] for name in names)


def _estimate(reference: LearnedReference, window: ScoredRows, *, seed: int) -> dict[str, EstimatedMetric]:
    evaluation, monitoring = reference.evaluation, reference.monitoring
    shift = shift_between(reference.rows, window, seed=seed)
    of_window = reference.map(shift.weights)
    truth, allowed = reference.truth, reference.allowed
    drawn = simulate(
        window, calibration=of_window, correlation=reference.correlation, cost=evaluation.cost, seed=seed
    )
    metrics = drawn.metrics
    if reference.variation is not None:
        metrics = reference.variation.widened(metrics, window, seed=seed)
    has_labels = _enough_labels(window, monitoring)
    powered = rectify(window, calibration=of_window, cost=evaluation.cost, seed=seed) if has_labels else {}
    outside = outside_support(reference.rows, shift, monitoring)
    seen, foreseen = _on_known_labels(window, of_window, evaluation)
    return {
        name: _metric(
            name, powered.get(name, metrics[name]), expected=truth[name], allowed_loss=allowed[name],
            method="prediction_powered" if has_labels else "confidence_based", confidence=evaluation.confidence,
            doubt=outside
            or contradicted(seen[name], foreseen[name], misfit_p=drawn.misfit_p, allowed=allowed[name])
            or not_calibrated(truth[name], reference.said[name], allowed=allowed[name]),
        )
        for name in ESTIMATED_METRICS
    }  # fmt: skip


def _enough_labels(window: ScoredRows, monitoring: Monitoring) -> bool:
    """Whether the known labels would do for a performance report of their own."""
    known = window.labels[window.is_known]
    fewer = min(known.sum(), len(known) - known.sum())
    return len(known) >= least_rows(monitoring) and fewer >= monitoring.minimum_positives


def _on_known_labels(
    window: ScoredRows, calibration: CalibrationMap, evaluation: Evaluation
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    labelled = window.where(window.is_known)
    if not len(labelled):
        nothing = dict.fromkeys(ESTIMATED_METRICS, float("nan"))
        return nothing, nothing
    measure = SoftMetrics(labelled, cost=evaluation.cost)
    return measure.of(labelled.labels), measure.of(calibration.probability(labelled.scores))


def _metric(
    name: str,
    estimate: Estimate,
    *,
    expected: float,
    allowed_loss: float,
    method: Method,
    confidence: float,
    doubt: str | None,
) -> EstimatedMetric:
    interval = percentile_interval(estimate.samples, value=estimate.value, confidence=confidence)
    if interval.low is None:
        doubt = doubt or "a class, or every known label, is missing in too many draws for an interval"
    lowest = -1.0 if METRICS[name].direction == 0 else 0.0
    highest = np.inf if name in _UNBOUNDED else 1.0
    value, low, high = (
        None if one is None or np.isnan(one) else float(np.clip(one, lowest, highest))
        for one in (estimate.value, interval.low, interval.high)
    )
    return EstimatedMetric(
        metric=name, value=value, low=low, high=high, expected=None if np.isnan(expected) else expected,
        allowed_loss=None if np.isnan(allowed_loss) else allowed_loss, method=method, doubt=doubt,
    )  # fmt: skip


def _unknown(name: str, doubt: str) -> EstimatedMetric:
    return EstimatedMetric(
        metric=name, value=None, low=None, high=None, expected=None, allowed_loss=None,
        method="confidence_based", doubt=doubt,
    )  # fmt: skip
