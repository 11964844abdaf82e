import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from mlops_assets.core.errors import PackagingError, TrainingError
from mlops_assets.core.model.calibration import (
    MINIMUM_CLASS_ROWS,
    IsotonicCalibrator,
    NoCalibrator,
    SigmoidCalibrator,
    calibrator_from_json,
    cross_fitted_brier,
    fit_calibrator,
    log_odds,
)

UNIT_GRID = np.linspace(0, 1, 1001)


def outcomes_under(true_probability: np.ndarray, *, seed: int = 100) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (generator.random(len(true_probability)) < true_probability).astype(np.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@st.composite
def probabilities_with_outcomes(draw):
    rows = draw(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60))
    probability = np.array([p for p, _ in rows])
    outcome = np.array([float(y) for _, y in rows])
    outcome[:2] = (0.0, 1.0)
    return probability, outcome


@pytest.mark.parametrize("choice", ["none", "sigmoid", "isotonic", "auto"])
@settings(max_examples=150, deadline=None)
@given(rows=probabilities_with_outcomes(), seed=st.integers(0, 3))
def test_every_calibrator_stays_in_the_unit_interval_and_never_turns_the_ranking_round(choice, rows, seed):
    calibrator = fit_calibrator(*rows, choice=choice, seed=seed)
    grid = np.sort(np.concatenate([UNIT_GRID, rows[0], [5e-324, 1e-300, 1e-12, 1 - 1e-16]]))
    calibrated = calibrator.apply(grid)
    assert np.isfinite(calibrated).all()
    assert calibrated.min() >= 0 and calibrated.max() <= 1
    tolerance = 1e-12 if calibrator.kind == "sigmoid" else 0.0  # exp rounds; the others are exact
    assert (np.diff(calibrated) >= -tolerance).all()


@settings(max_examples=100, deadline=None)
@given(rows=probabilities_with_outcomes())
def test_isotonic_keeps_rows_apart_that_the_booster_told_apart(rows):
    calibrated = fit_calibrator(*rows, choice="isotonic", seed=0).apply(UNIT_GRID)
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize("choice", ["none", "sigmoid", "isotonic"])
def test_a_row_gets_the_same_bits_alone_as_in_a_batch(choice):
    probability = np.random.default_rng(1).beta(0.3, 3, 999)
    calibrator = fit_calibrator(probability, outcomes_under(probability), choice=choice, seed=0)
    batch = calibrator.apply(probability)
    alone = [calibrator.apply(probability[i : i + 1])[0] for i in range(len(probability))]
    assert batch.tolist() == alone


@settings(max_examples=60, deadline=None)
@given(rows=probabilities_with_outcomes())
def test_sigmoid_is_the_best_slope_and_intercept_for_the_smoothed_targets(rows):
    probability, outcome = rows
    calibrator = fit_calibrator(probability, outcome, choice="sigmoid", seed=0)
    positives, negatives = outcome.sum(), (1 - outcome).sum()
    target = np.where(outcome == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(slope: float, intercept: float) -> float:
        z = slope * log_odds(probability) + intercept
        return float(np.sum(np.logaddexp(0, z) - target * z))

    best = loss(calibrator.slope, calibrator.intercept)
    for slope_step in (-0.01, 0.0, 0.01):
        for intercept_step in (-0.01, 0.0, 0.01):
            if calibrator.slope + slope_step >= 0:
                nearby = loss(calibrator.slope + slope_step, calibrator.intercept + intercept_step)
                assert nearby >= best - 1e-6


def test_sigmoid_recovers_a_known_distortion():
    raw = np.random.default_rng(0).uniform(0.02, 0.98, 200_000)
    outcome = outcomes_under(sigmoid(0.5 * log_odds(raw) - 1.0))
    calibrator = fit_calibrator(raw, outcome, choice="sigmoid", seed=0)
    assert (calibrator.slope, calibrator.intercept) == pytest.approx((0.5, -1.0), abs=0.03)


def test_isotonic_agrees_with_plain_isotonic_regression_inside_the_blocks():
    raw = np.random.default_rng(0).uniform(0, 1, 20_000)
    outcome = outcomes_under(raw**2)
    plain = IsotonicRegression(out_of_bounds="clip").fit(raw, outcome).predict(UNIT_GRID)
    centred = fit_calibrator(raw, outcome, choice="isotonic", seed=0).apply(UNIT_GRID)
    assert np.abs(centred - plain).mean() < 0.01
    assert np.abs(centred - UNIT_GRID**2).mean() <= np.abs(plain - UNIT_GRID**2).mean()


@pytest.mark.parametrize(
    ("truth", "chosen"),
    [
        (lambda p: sigmoid(0.4 * log_odds(p) - 1), "sigmoid"),
        (lambda p: np.where(p < 0.5, 0.1, 0.7), "isotonic"),
    ],
)
def test_auto_takes_the_calibrator_whose_shape_is_true(truth, chosen):
    raw = np.random.default_rng(2).uniform(0.01, 0.99, 30_000)
    outcome = outcomes_under(truth(raw))
    scores = cross_fitted_brier(raw, outcome, seed=0)
    calibrator = fit_calibrator(raw, outcome, choice="auto", seed=0)
    assert calibrator.kind == min(scores, key=lambda kind: scores[kind])
    assert calibrator.kind == chosen


def test_auto_leaves_probabilities_alone_that_equal_the_shares_seen():
    raw = np.repeat([0.25, 0.75], 400)
    outcome = np.concatenate([np.arange(400) < 100, np.arange(400) < 300]).astype(np.float64)
    assert fit_calibrator(raw, outcome, choice="auto", seed=0) == NoCalibrator()


def test_auto_leaves_probabilities_alone_when_a_class_is_rare():
    raw = np.full(5000, 0.9)
    outcome = np.zeros(5000)
    outcome[: MINIMUM_CLASS_ROWS - 1] = 1.0
    assert fit_calibrator(raw, outcome, choice="auto", seed=0) == NoCalibrator()
    outcome[:MINIMUM_CLASS_ROWS] = 1.0
    assert fit_calibrator(raw, outcome, choice="auto", seed=0) != NoCalibrator()


def test_a_ranking_that_is_the_wrong_way_round_becomes_the_mean_not_its_mirror():
    raw = np.random.default_rng(0).uniform(0.01, 0.99, 5000)
    calibrator = fit_calibrator(raw, outcomes_under(1 - raw), choice="sigmoid", seed=0)
    assert isinstance(calibrator, SigmoidCalibrator)
    assert calibrator.slope == 0.0
    assert calibrator.apply(raw)[0] == pytest.approx(0.5, abs=0.02)


def test_one_class_cannot_be_calibrated():
    with pytest.raises(TrainingError, match="needs both classes, but all 10 rows have 1"):
        fit_calibrator(np.linspace(0, 1, 10), np.ones(10), choice="isotonic", seed=0)


@pytest.mark.parametrize("choice", ["none", "sigmoid", "isotonic"])
def test_a_calibrator_survives_json_bit_for_bit(choice):
    probability = np.random.default_rng(1).beta(0.3, 3, 500)
    calibrator = fit_calibrator(probability, outcomes_under(probability), choice=choice, seed=0)
    assert calibrator_from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "spline"},
        {"kind": "sigmoid", "slope": 1.0},
        {"kind": "sigmoid", "slope": "steep", "intercept": 0.0},
        {"kind": "isotonic", "thresholds": [0.0, 1.0], "values": [0.0]},
        {"kind": "isotonic", "thresholds": [1.0, 0.0], "values": [0.0, 1.0]},
    ],
)
def test_a_document_that_is_no_calibrator_is_refused(document):
    with pytest.raises(PackagingError, match="calibrator cannot be read"):
        calibrator_from_json(document)


def test_isotonic_values_are_met_at_the_thresholds():
    calibrator = IsotonicCalibrator(thresholds=(0.0, 0.25, 1.0), values=(0.0, 0.6, 1.0))
    assert calibrator.apply(np.array([0.0, 0.125, 0.25, 1.0])).tolist() == [0.0, 0.3, 0.6, 1.0]
