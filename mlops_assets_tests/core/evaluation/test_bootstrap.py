import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.evaluation import bootstrap
from mlops_assets.core.evaluation.bootstrap import Resamples, percentile_interval
from mlops_assets.core.evaluation.metrics import ProbabilityMetrics, RankingMetrics


def drawn(**options) -> np.ndarray:
    return np.concatenate(list(Resamples(**options).blocks()), axis=1)


def test_every_resample_draws_as_many_rows_as_there_are():
    weights = drawn(rows=37, samples=50, seed=0)
    assert weights.shape == (37, 50)
    assert (weights.sum(axis=0) == 37).all()
    assert set(np.unique(weights)) > {0.0, 1.0, 2.0}


def test_the_same_seed_draws_the_same_resamples_and_another_seed_others():
    assert (drawn(rows=20, samples=10, seed=3) == drawn(rows=20, samples=10, seed=3)).all()
    assert (drawn(rows=20, samples=10, seed=3) != drawn(rows=20, samples=10, seed=4)).any()


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    whole = drawn(rows=20, samples=11, seed=0)
    monkeypatch.setattr(bootstrap, "_BLOCK_BYTES", 8 * 20 * 3)
    assert len(list(Resamples(rows=20, samples=11, seed=0).blocks())) == 4
    assert (drawn(rows=20, samples=11, seed=0) == whole).all()


def test_rows_of_one_group_are_drawn_together():
    groups = np.array([0, 1, 1, 2, 0, 3])
    weights = drawn(rows=6, samples=40, seed=0, groups=groups)
    assert (weights[0] == weights[4]).all()
    assert (weights[1] == weights[2]).all()
    one_per_group = weights[[0, 1, 3, 5]]
    assert (one_per_group.sum(axis=0) == 4).all()


def test_dependent_rows_give_a_wider_interval_when_their_groups_are_named():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 20)
    labels = (generator.random(60) < 0.4).astype(np.int8)[groups]
    metrics = ProbabilityMetrics(labels, np.full(1200, 0.4))
    widths = []
    for grouping in (None, groups):
        values = metrics(drawn(rows=1200, samples=300, seed=1, groups=grouping))["calibration_bias"]
        interval = percentile_interval(values, value=0.0, confidence=0.95)
        widths.append(interval.high - interval.low)
    assert widths[1] > 3 * widths[0]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50), st.floats(0.6, 0.99))
def test_an_interval_lies_within_the_resampled_values(values, confidence):
    interval = percentile_interval(np.array(values), value=values[0], confidence=confidence)
    assert min(values) <= interval.low <= interval.high <= max(values)
    assert interval.degenerate == 0


def test_few_undefined_resamples_are_left_out_and_counted():
    values = np.append(np.linspace(0, 1, 97), [np.nan] * 3)
    interval = percentile_interval(values, value=0.5, confidence=0.95)
    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
    assert interval.degenerate == 3


def test_many_undefined_resamples_leave_no_interval():
    values = np.append(np.linspace(0, 1, 90), [np.nan] * 10)
    interval = percentile_interval(values, value=0.5, confidence=0.95)
    assert (interval.low, interval.high, interval.degenerate) == (None, None, 10)


def test_a_folded_metric_is_moved_back_by_the_noise_that_resampling_added():
    values = np.linspace(0.04, 0.08, 101)
    plain = percentile_interval(values, value=0.03, confidence=0.9)
    folded = percentile_interval(values, value=0.03, confidence=0.9, is_folded=True)
    assert plain.low > 0.03  # without the shift the value lies outside of its own interval
    assert folded.low == pytest.approx(2 * 0.03 - plain.high)
    assert folded.high == pytest.approx(plain.high - (0.06 - 0.03))


def test_a_folded_metric_that_resampling_does_not_raise_has_the_plain_interval():
    values = np.linspace(0.04, 0.08, 101)
    plain = percentile_interval(values, value=0.06, confidence=0.9)
    folded = percentile_interval(values, value=0.06, confidence=0.9, is_folded=True)
    assert (folded.low, folded.high) == pytest.approx((plain.low, plain.high))


def test_the_calibration_error_of_a_calibrated_model_is_not_shown_to_be_above_nothing():
    generator = np.random.default_rng(0)
    above = {True: 0, False: 0}
    for seed in range(40):
        probabilities = generator.beta(2, 4, 800)
        labels = (generator.random(800) < probabilities).astype(np.int8)
        metrics = ProbabilityMetrics(labels, probabilities)
        value = metrics(np.ones((800, 1)))["calibration_error"][0]
        samples = metrics(drawn(rows=800, samples=200, seed=seed))["calibration_error"]
        for is_folded in above:
            found = percentile_interval(samples, value=value, confidence=0.95, is_folded=is_folded)
            above[is_folded] += found.low > 0.01
    assert above[False] == 40  # what a plain percentile interval would claim
    assert above[True] <= 8


def test_a_paired_difference_covers_the_truth_about_as_often_as_stated():
    # Both scores are one signal plus noise of the same size, so their true difference in AUC is zero.
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(150):
        labels = (generator.random(300) < 0.3).astype(np.int8)
        scores = [labels + generator.normal(0, 1.2, 300) for _ in range(2)]
        weights = drawn(rows=300, samples=200, seed=seed)
        first, second = (RankingMetrics(labels, s) for s in scores)
        interval = percentile_interval(
            first(weights)["auc"] - second(weights)["auc"], value=0.0, confidence=0.9
        )
        covered += interval.low <= 0 <= interval.high
    assert 0.84 <= covered / 150 <= 0.95
