"""The calibration map on scores whose probabilities are known."""

import numpy as np

from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap, fit_map


def _fit(scores: np.ndarray, probability: np.ndarray, *, seed: int = 0, copies: int = 1) -> CalibrationMap:
    labels = (np.random.default_rng(seed).random(len(scores)) < probability).astype(np.float64)
    groups = np.tile(np.arange(len(scores)), copies)
    return fit_map(
        np.tile(scores, copies), np.tile(labels, copies), weights=np.ones(len(groups)), groups=groups
    )


def test_a_score_that_is_too_sure_is_pulled_back():
    probability = np.random.default_rng(1).beta(1, 3, 20_000)
    scores = probability**2 / (probability**2 + (1 - probability) ** 2)
    found = _fit(scores, probability).probability(scores)
    assert np.abs(found - probability).mean() < 0.1 * np.abs(scores - probability).mean()


def test_a_reference_of_few_labels_leaves_the_score_alone():
    scores = np.array([0.2, 0.4, 0.6])
    found = _fit(scores, np.array([1.0, 0.0, 0.0])).probability(scores)
    assert np.abs(found - scores).max() < 0.15


def test_the_draws_hold_the_truth_at_least_as_often_as_they_say():
    scores, asked = np.random.default_rng(1).beta(1, 3, 3000), np.array([0.1, 0.3, 0.7])
    held = []
    for seed in range(40):
        found = _fit(scores, scores, seed=seed)
        drawn = found.probability(asked, found.draws(400, np.random.default_rng(seed)))
        held.append(
            (np.quantile(drawn, 0.025, axis=1) <= asked) & (asked <= np.quantile(drawn, 0.975, axis=1))
        )
    assert np.mean(held) > 0.9


def test_copies_of_a_group_tell_nothing_new():
    scores = np.random.default_rng(1).beta(1, 3, 2000)
    once, often = (_fit(scores, scores, copies=copies).covariance for copies in (1, 5))
    assert np.sqrt(often[0, 0]) > 0.8 * np.sqrt(once[0, 0])


def test_scores_of_0_and_1_and_a_single_class_are_mapped():
    scores = np.array([0.0, 1.0, 0.5])
    found = fit_map(scores, np.zeros(3), weights=np.ones(3), groups=np.arange(3))
    assert np.isfinite(found.probability(scores)).all()
    assert np.isfinite(found.covariance).all()


def test_a_score_that_is_calibrated_is_left_nearly_as_it_is():
    scores = np.random.default_rng(1).beta(1, 3, 2000)
    moved = [
        np.abs(_fit(scores, scores, seed=seed).probability(scores) - scores).mean() for seed in range(20)
    ]
    assert np.median(moved) < 0.003
