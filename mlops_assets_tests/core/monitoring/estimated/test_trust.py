"""Assumptions that are seen to fail."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.density_ratio import Shift
from mlops_assets.core.monitoring.estimated.trust import (
    allowed_losses,
    contradicted,
    not_calibrated,
    outside_support,
    too_few,
)
from mlops_assets.core.product_spec import Evaluation, Monitoring
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

LIMITS = Monitoring()
REFERENCE = drawn_rows(1000, seed=0)[0]


def test_rows_and_classes_that_are_missing_are_counted():
    assert too_few(REFERENCE, drawn_rows(200, seed=1)[0], LIMITS) is None
    assert "the window has 199 rows" in str(too_few(REFERENCE, drawn_rows(199, seed=1)[0], LIMITS))
    one_class = REFERENCE.where(REFERENCE.labels == 0)
    assert "0 rows of its rarer class" in str(too_few(one_class, REFERENCE, LIMITS))


@pytest.mark.parametrize(
    ("weights", "outside_share", "reason"),
    [
        (np.ones(1000), 0.0, None),
        (np.ones(1000), 0.2, "20% of the window's rows"),
        (np.where(np.arange(1000) < 50, 20.0, 1e-9), 0.0, "as much as 50 rows"),
        (np.where(np.cumsum(REFERENCE.labels) > 10, 1.0 - REFERENCE.labels, 1.0), 0.0, "positive reference rows"),
    ],
)  # fmt: skip
def test_a_window_outside_the_references_support_is_named(weights, outside_share, reason):
    found = outside_support(REFERENCE, Shift(weights, outside_share), LIMITS)
    assert found is None if reason is None else reason in str(found)


def test_each_metric_may_lose_the_share_that_the_primary_metric_may():
    references = {"auc": 0.8, "cost_per_row": 2.0, "calibration_bias": 0.001}
    found = allowed_losses(references, base_rate=0.1, evaluation=Evaluation(), monitoring=LIMITS)
    assert found == pytest.approx({"auc": 0.05, "cost_per_row": 0.125, "calibration_bias": 0.00625})


def test_labels_contradict_only_where_it_is_sure_and_matters():
    assert contradicted(0.7, 0.8, misfit_p=0.02, allowed=0.05) is None
    assert contradicted(0.79, 0.8, misfit_p=0.001, allowed=0.05) is None
    assert contradicted(float("nan"), 0.8, misfit_p=0.001, allowed=0.05) is None
    assert "0.7, 0.8 were expected" in str(contradicted(0.7, 0.8, misfit_p=0.001, allowed=0.05))


def test_a_method_that_does_not_give_back_the_reference_is_named():
    assert not_calibrated(0.8, 0.79, allowed=0.05) is None
    assert not_calibrated(float("nan"), 0.79, allowed=0.05) is None
    assert "0.9 would be expected there" in str(not_calibrated(0.8, 0.9, allowed=0.05))
