"""What drawn labels and known ones say about a window."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap
from mlops_assets.core.monitoring.estimated.simulation import DRAWS, Simulation, rectify, simulate
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.product_spec import Cost
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

SURE = CalibrationMap(np.array([0.0, 1.0, 1.0]), np.zeros((3, 3)))
COST = Cost()


def _simulate(known: float, *, seed: int = 0, mixed: float = 0.0, correlation: float = 0.0) -> Simulation:
    window = drawn_rows(600, seed=seed, known=known, mixed=mixed, group_rows=10)[0]
    return simulate(window, calibration=SURE, correlation=correlation, cost=COST, seed=seed)


def test_known_labels_are_facts():
    rows, labels = drawn_rows(1500, seed=0, group_rows=10)
    simulated = simulate(rows, calibration=SURE, correlation=0.3, cost=COST, seed=0).metrics["auc"]
    assert len(simulated.samples) == DRAWS
    assert np.ptp(simulated.samples) == 0
    assert simulated.value == pytest.approx(SoftMetrics(rows, cost=COST).of(labels)["auc"])


def test_labels_that_are_alike_within_groups_widen_the_spread():
    apart, alike = (_simulate(0.0, correlation=one).metrics["calibration_bias"] for one in (0.0, 0.5))
    assert alike.samples.std() > 1.4 * apart.samples.std()


def test_labels_from_the_map_contradict_it_as_rarely_as_they_should():
    found = np.array([_simulate(0.3, seed=seed).misfit_p for seed in range(15)])
    assert np.mean(found < 0.1) < 0.35
    assert 0.25 < found.mean() < 0.75


def test_labels_that_ignore_the_score_contradict_the_map():
    assert _simulate(0.3, mixed=0.7).misfit_p < 0.01
    assert _simulate(0.0, mixed=0.7).misfit_p == 1


def test_with_all_labels_known_the_rectified_estimate_is_the_metric_itself():
    rows, labels = drawn_rows(1000, seed=0)
    wrong = CalibrationMap(np.array([2.0, 0.2, 0.2]), np.zeros((3, 3)))
    found = rectify(rows, calibration=wrong, cost=COST, seed=0)
    for metric, value in SoftMetrics(rows, cost=COST).of(labels).items():
        assert found[metric].value == pytest.approx(value)


def test_known_labels_correct_a_map_that_is_wrong():
    rows, labels = drawn_rows(1500, seed=0, known=0.4)
    wrong = CalibrationMap(np.array([1.5, 1.0, 1.0]), np.zeros((3, 3)))
    truth = SoftMetrics(rows, cost=COST).of(labels)
    off = SoftMetrics(rows, cost=COST).of(wrong.probability(rows.scores))
    found = rectify(rows, calibration=wrong, cost=COST, seed=0)
    for metric in ("brier", "calibration_bias", "cost_per_row"):
        assert abs(found[metric].value - truth[metric]) < 0.5 * abs(off[metric] - truth[metric])
