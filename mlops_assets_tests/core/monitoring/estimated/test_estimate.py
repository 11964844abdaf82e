"""Estimates of windows whose labels are drawn, so that what they should say is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.estimate import EstimatedMetric, estimate_quality
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import ESTIMATED_METRICS, SoftMetrics
from mlops_assets.core.product_spec import Evaluation, Monitoring
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

EVALUATION, MONITORING = Evaluation(), Monitoring()


def _estimate(reference: ScoredRows, window: ScoredRows, *, seed: int = 0) -> dict[str, EstimatedMetric]:
    found = estimate_quality(reference, window, evaluation=EVALUATION, monitoring=MONITORING, seed=seed)
    return {metric.metric: metric for metric in found}


def _holds(metric: EstimatedMetric, truth: float) -> bool:
    return metric.low is not None and metric.high is not None and metric.low <= truth <= metric.high


@pytest.mark.rehearsal
@pytest.mark.parametrize("world", [{}, {"alike": 0.3, "group_rows": 5}, {"known": 0.5}])
def test_the_intervals_hold_what_the_labels_show_about_as_often_as_they_say(world: dict[str, Any]):
    held: list[bool] = []
    for seed in range(60):
        reference = drawn_rows(2000, seed=1000 + seed, **{**world, "known": 1.0})[0]
        window, labels = drawn_rows(1000, seed=seed, **{"known": 0.0, **world})
        truth = SoftMetrics(window, cost=EVALUATION.cost).of(labels)
        found = _estimate(reference, window, seed=seed)
        held += [_holds(found[name], truth[name]) for name in ("auc", "brier", "calibration_bias")]
    # Binomial: of 180 with a chance of .95 each, 160 or fewer happen once in 1,000; the three are not independent.
    assert np.mean(held) > 0.88


def test_the_primary_metric_comes_first_and_every_metric_is_estimated():
    reference, window = drawn_rows(1000, seed=0)[0], drawn_rows(500, seed=1, known=0.0)[0]
    brier = Evaluation(primary_metric="brier")
    found = estimate_quality(reference, window, evaluation=brier, monitoring=MONITORING, seed=0)
    assert found[0].metric == "brier"
    assert {metric.metric for metric in found} == set(ESTIMATED_METRICS)
    assert all(metric.trusted and metric.method == "confidence_based" for metric in found)


def test_a_shift_of_the_population_is_followed():
    reference = drawn_rows(4000, seed=0)[0]
    window, labels = drawn_rows(3000, seed=1, known=0.0, shift=0.6)
    truth = SoftMetrics(window, cost=EVALUATION.cost).of(labels)
    found = _estimate(reference, window)["cost_per_row"]
    assert found.value is not None
    assert found.expected is not None
    assert abs(found.value - truth["cost_per_row"]) < 0.5 * abs(found.expected - truth["cost_per_row"])


def test_a_concept_that_moved_is_seen_by_the_labels_that_are_there_and_never_without():
    reference = drawn_rows(2000, seed=0)[0]
    some, none = (
        _estimate(reference, drawn_rows(2000, seed=1, mixed=0.6, known=share)[0])["auc"]
        for share in (0.3, 0.0)
    )
    assert "the labels that are known contradict it" in str(some.doubt)
    assert none.trusted


def test_with_all_labels_known_the_estimate_is_the_windows_own_value():
    reference = drawn_rows(1000, seed=0)[0]
    window, labels = drawn_rows(1000, seed=1)
    found = _estimate(reference, window)
    assert found["auc"].method == "prediction_powered"
    assert found["auc"].value == pytest.approx(SoftMetrics(window, cost=EVALUATION.cost).of(labels)["auc"])


def test_the_same_seed_gives_the_same_estimate_and_the_order_of_features_does_not_matter_to_trust():
    reference, window = drawn_rows(1000, seed=0)[0], drawn_rows(500, seed=1, known=0.0)[0]
    assert _estimate(reference, window) == _estimate(reference, window)
    turned = [replace(rows, features=rows.features[:, ::-1]) for rows in (reference, window)]
    first, second = _estimate(reference, window)["auc"], _estimate(*turned)["auc"]
    assert second.value == pytest.approx(first.value, abs=0.01)
    assert second.trusted == first.trusted


def test_a_window_elsewhere_is_not_trusted():
    found = _estimate(drawn_rows(2000, seed=0)[0], drawn_rows(2000, seed=1, known=0.0, shift=6.0)[0])
    assert "more than 20 times as frequent" in str(found["auc"].doubt)


@pytest.mark.parametrize("rows", [0, 1, 300])
@pytest.mark.parametrize("label", [0.0, 1.0, np.nan])
@pytest.mark.parametrize("score", [0.0, 0.4, 1.0])
def test_degenerate_windows_are_answered(rows: int, label: float, score: float):
    reference = drawn_rows(600, seed=0)[0]
    window = drawn_rows(rows, seed=1)[0]
    flat = replace(window, scores=np.full(rows, score), labels=np.full(rows, label))
    found = _estimate(reference, flat)
    assert set(found) == set(ESTIMATED_METRICS)
    if rows < 200:
        assert all(metric.value is None and not metric.trusted for metric in found.values())


def test_a_reference_of_one_class_or_without_rows_gives_no_estimate():
    reference, window = drawn_rows(600, seed=0)[0], drawn_rows(600, seed=1, known=0.0)[0]
    for poor in (reference.where(reference.labels == 0), reference.where(reference.labels > 1)):
        assert all(not metric.trusted for metric in _estimate(poor, window).values())


def test_a_reference_of_one_score_and_no_features_is_answered():
    reference, window = drawn_rows(600, seed=0)[0], drawn_rows(600, seed=1, known=0.0)[0]
    flat = [
        replace(rows, scores=np.full(600, 0.3), features=np.zeros((600, 0))) for rows in (reference, window)
    ]
    assert _estimate(*flat)["auc"].value == pytest.approx(0.5, abs=0.01)
