"""What is learned of the reference once."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.estimate import estimate_quality, estimate_window
from mlops_assets.core.monitoring.estimated.reference import LearnedReference
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.product_spec import Evaluation, Monitoring
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

EVALUATION, MONITORING = Evaluation(), Monitoring()


def test_many_windows_of_one_reference_are_estimated_as_each_alone() -> None:
    rows = drawn_rows(1500, seed=0, group_rows=3, alike=0.3)[0]
    learned = LearnedReference(rows, EVALUATION, MONITORING)
    for seed in (1, 2):
        window = drawn_rows(600, seed=seed, known=0.0)[0]
        alone = estimate_quality(rows, window, evaluation=EVALUATION, monitoring=MONITORING, seed=0)
        assert estimate_window(learned, window, seed=0) == alone


def test_truth_is_what_the_labels_say_and_said_is_what_the_scores_do() -> None:
    rows = drawn_rows(3000, seed=0, group_rows=2, alike=0.4)[0]
    learned = LearnedReference(rows, EVALUATION, MONITORING)
    assert learned.truth == SoftMetrics(rows, cost=EVALUATION.cost).of(rows.labels)
    assert learned.said["auc"] == pytest.approx(learned.truth["auc"], abs=0.03)
    assert learned.said["calibration_bias"] == pytest.approx(
        float(np.mean(rows.scores) - np.mean(rows.labels)), abs=0.01
    )
    assert learned.correlation > 0.1
    assert learned.allowed["auc"] == MONITORING.performance_drop


def test_the_champions_values_are_those_of_all_rows_where_a_sample_is_learned_from() -> None:
    rows = drawn_rows(3000, seed=0)[0]
    sample = rows.where(np.arange(3000) < 500)
    learned = LearnedReference(sample, EVALUATION, MONITORING, rows)
    assert learned.truth == LearnedReference(rows, EVALUATION, MONITORING).truth
    assert learned.said["brier"] == pytest.approx(learned.truth["brier"], abs=0.02)
    assert learned.truth != LearnedReference(sample, EVALUATION, MONITORING).truth
