"""Metrics of rows that are 1 with a weight."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mlops_assets.core.monitoring.estimated.soft_metrics import ESTIMATED_METRICS, SoftMetrics
from mlops_assets.core.product_spec import Cost
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

COST = Cost(false_positive=1, false_negative=3)


def test_facts_as_weights_give_scikit_learns_metrics():
    rows, labels = drawn_rows(800, seed=0)
    found = SoftMetrics(rows, cost=COST).of(labels)
    assert tuple(found) == ESTIMATED_METRICS
    assert found["auc"] == pytest.approx(roc_auc_score(labels, rows.scores))
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, rows.scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, rows.scores))
    wrong = rows.decisions != labels
    assert found["cost_per_row"] == pytest.approx(np.mean(wrong * np.where(labels == 1, 3, 1)))


def test_probabilities_give_the_mean_over_labels_of_a_linear_metric():
    rows = drawn_rows(300, seed=0)[0]
    drawn = (np.random.default_rng(1).random((300, 4000)) < rows.scores[:, np.newaxis]).astype(np.float64)
    measure = SoftMetrics(rows, cost=COST)
    expected, simulated = measure.of(rows.scores), measure(drawn)
    for metric in ("brier", "cost_per_row", "calibration_bias"):
        assert expected[metric] == pytest.approx(simulated[metric].mean(), abs=2e-3)


def test_a_weight_of_two_counts_as_two_rows():
    rows, labels = drawn_rows(50, seed=0)
    weights = np.where(np.arange(50) < 25, 2.0, 1.0)[:, np.newaxis]
    twice = np.r_[np.arange(50), np.arange(25)]
    copied = SoftMetrics(rows.where(np.ones(50, bool)), cost=COST)(labels[:, np.newaxis], weights)
    assert copied["auc"][0] == pytest.approx(roc_auc_score(labels[twice], rows.scores[twice]))
