"""Estimates as findings."""

from dataclasses import replace

import pytest

from mlops_assets.core.monitoring.estimated.estimate import EstimatedMetric
from mlops_assets.core.monitoring.estimated.findings import estimated_findings
from mlops_assets.core.monitoring.finding import Finding


def _metric(name: str, value: float, *, half: float, expected: float, loss: float) -> EstimatedMetric:
    return EstimatedMetric(
        metric=name, value=value, low=value - half, high=value + half, expected=expected, allowed_loss=loss,
        method="confidence_based", doubt=None,
    )  # fmt: skip


AUC = _metric("auc", 0.80, half=0.01, expected=0.80, loss=0.05)
BIAS = _metric("calibration_bias", 0.0, half=0.002, expected=0.001, loss=0.01)
COST = _metric("cost_per_row", 1.0, half=0.02, expected=1.0, loss=0.1)


def _finding(metric: EstimatedMetric) -> Finding:
    others = {one.metric: one for one in (AUC, BIAS, COST)} | {metric.metric: metric}
    found = estimated_findings([others["auc"], others["calibration_bias"], others["cost_per_row"]])
    return next(one for one in found if one.subject == metric.metric)


@pytest.mark.parametrize(
    ("metric", "value", "state", "limit"),
    [
        (AUC, 0.80, "ok", 0.75),
        (AUC, 0.755, "inconclusive", 0.75),
        (AUC, 0.70, "alarm", 0.75),
        (AUC, 0.99, "ok", 0.75),
        (COST, 1.0, "ok", 1.1),
        (COST, 1.1, "inconclusive", 1.1),
        (COST, 1.3, "alarm", 1.1),
        (COST, 0.1, "ok", 1.1),
        (BIAS, 0.0, "ok", 0.01),
        (BIAS, 0.009, "inconclusive", 0.01),
        (BIAS, -0.02, "alarm", 0.01),
        (BIAS, 0.02, "alarm", 0.01),
    ],
)
def test_the_whole_interval_decides(metric: EstimatedMetric, value: float, state: str, limit: float):
    half = (metric.high or 0) - (metric.value or 0)
    found = _finding(replace(metric, value=value, low=value - half, high=value + half))
    assert found.state == state
    assert found.limit == pytest.approx(limit)
    assert found.topic == "estimated_performance"


def test_an_estimate_that_is_not_trusted_is_inconclusive_and_says_why():
    found = _finding(replace(AUC, value=0.5, low=0.49, high=0.51, doubt="the world is elsewhere"))
    assert found.state == "inconclusive"
    assert "not trusted, since the world is elsewhere" in found.reason
    assert found.value == 0.5


def test_a_metric_without_a_value_is_inconclusive():
    empty = replace(AUC, value=None, low=None, high=None, expected=None, allowed_loss=None, doubt="too few")
    assert (_finding(empty).state, _finding(empty).limit) == ("inconclusive", None)


def test_the_reason_says_what_it_was_made_from():
    assert "from the scores alone" in _finding(AUC).reason
    assert "corrected by the labels" in _finding(replace(AUC, method="prediction_powered")).reason


def test_an_alarm_needs_as_wide_an_interval_as_the_promise_asks_for() -> None:
    near = _metric("auc", 0.735, half=0.01, expected=0.80, loss=0.05)
    wide = estimated_findings([near, BIAS, COST], wide=2.0)[0]
    assert (estimated_findings([near, BIAS, COST])[0].state, wide.state) == ("alarm", "inconclusive")
    assert (wide.low, wide.high) == (near.low, near.high)
    good = estimated_findings([AUC, BIAS, COST], wide=20.0)
    assert {one.state for one in good} == {"ok"}
