"""Estimates of a window's quality as findings: whether it has fallen, has not, or cannot be told."""

from collections.abc import Sequence

from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.monitoring.estimated.estimate import EstimatedMetric
from mlops_assets.core.monitoring.finding import Finding, State

JUDGED_BESIDES_THE_PRIMARY = ("calibration_bias", "cost_per_row")


def estimated_findings(metrics: Sequence[EstimatedMetric], *, wide: float = 1.0) -> tuple[Finding, ...]:
    """Judge the primary metric, which comes first, calibration bias and cost per row.

    `ok` where the whole interval lies on the good side of the champion's reference value less the allowed loss, `alarm`
    where one that is `wide` times as wide lies beyond, `inconclusive` in between and where the estimate is not trusted.
    Bias is judged by its size.
    """
    names = dict.fromkeys([metrics[0].metric, *JUDGED_BESIDES_THE_PRIMARY])
    by_name = {metric.metric: metric for metric in metrics}
    return tuple(_finding(by_name[name], wide) for name in names)


def _finding(metric: EstimatedMetric, wide: float) -> Finding:
    limit = _limit(metric)
    state, why = _judge(metric, limit, wide)
    reason = why
    if metric.value is not None and metric.low is not None and metric.high is not None:
        reason = (
            f"{METRICS[metric.metric].title} is estimated at {metric.value:.4g} "
            f"[{metric.low:.4g}, {metric.high:.4g}] {_made_from(metric)}: {why}"
        )
    return Finding(
        topic="estimated_performance", subject=metric.metric, state=state, reason=reason, value=metric.value,
        low=metric.low, high=metric.high, expected=metric.expected, limit=limit,
    )  # fmt: skip


def _limit(metric: EstimatedMetric) -> float | None:
    if metric.expected is None or metric.allowed_loss is None:
        return None
    if METRICS[metric.metric].direction == 0:
        return metric.allowed_loss
    return metric.expected - METRICS[metric.metric].direction * metric.allowed_loss


def _judge(metric: EstimatedMetric, limit: float | None, wide: float) -> tuple[State, str]:
    if not metric.trusted:
        return "inconclusive", f"not trusted, since {metric.doubt}"
    if metric.value is None or metric.low is None or metric.high is None or limit is None:
        return "inconclusive", "it has no value on the reference"
    direction = METRICS[metric.metric].direction
    least = metric.value - wide * (metric.value - metric.low)
    most = metric.value + wide * (metric.high - metric.value)
    if direction == 0:
        best, worst = -max(least, -most, 0.0), -max(abs(metric.low), abs(metric.high))
    else:
        best = max(direction * least, direction * most)
        worst = min(direction * metric.low, direction * metric.high)
    line = direction * limit if direction else -limit
    about = f"the limit {limit:.4g}, the champion's value on the reference is {metric.expected:.4g}"
    if worst >= line:
        return "ok", f"the whole interval lies on the good side of {about}"
    if best < line:
        return "alarm", f"the whole interval lies beyond {about}"
    return "inconclusive", f"the interval holds, or is too close to, {about}; more labels will tell"


def _made_from(metric: EstimatedMetric) -> str:
    if metric.method == "prediction_powered":
        return "from the scores, corrected by the labels that are known"
    return "from the scores alone, as if the concept had not moved"
