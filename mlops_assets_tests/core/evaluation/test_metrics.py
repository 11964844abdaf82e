import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
)

from mlops_assets.core.evaluation.metrics import (
    CalibrationLine,
    DecisionMetrics,
    ProbabilityMetrics,
    RankingMetrics,
    auc,
    average_precision,
    brier,
    equal_mass_bins,
    threshold_curve,
)
from mlops_assets.core.product_spec import Cost


@st.composite
def weighted_rows(draw):
    """Labels of both classes, few distinct scores (so ties are common), integer weights in which both classes
    survive."""
    rows = draw(st.integers(2, 40))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)), dtype=np.int8)
    labels[:2] = [0, 1]
    scores = np.array(
        draw(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.5, 0.73, 1.0]), min_size=rows, max_size=rows))
    )
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), dtype=float)
    weights[:2] = np.maximum(weights[:2], 1)
    return labels, scores, weights


@given(weighted_rows())
def test_ranking_metrics_equal_scikit_learn_with_ties_and_weights(case):
    labels, scores, weights = case
    found = RankingMetrics(labels, scores)(weights[:, None])
    assert found["auc"][0] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert found["average_precision"][0] == pytest.approx(expected)


@given(weighted_rows())
def test_probability_metrics_equal_scikit_learn_with_weights(case):
    labels, probabilities, weights = case
    found = ProbabilityMetrics(labels, probabilities)(weights[:, None])
    assert found["brier"][0] == pytest.approx(brier_score_loss(labels, probabilities, sample_weight=weights))
    assert found["log_loss"][0] == pytest.approx(log_loss(labels, probabilities, sample_weight=weights))


@given(weighted_rows())
def test_an_integer_weight_is_the_same_as_repeating_the_row(case):
    labels, scores, weights = case
    times = weights.astype(int)
    repeated = RankingMetrics(labels.repeat(times), scores.repeat(times))(np.ones((times.sum(), 1)))
    weighted = RankingMetrics(labels, scores)(weights[:, None])
    assert weighted["auc"][0] == pytest.approx(repeated["auc"][0])
    assert weighted["average_precision"][0] == pytest.approx(repeated["average_precision"][0])


def test_every_column_of_weights_is_a_sample_of_its_own():
    generator = np.random.default_rng(0)
    labels, scores = generator.integers(0, 2, 50).astype(np.int8), generator.random(50)
    weights = generator.integers(0, 3, (50, 7)).astype(float)
    together = RankingMetrics(labels, scores)(weights)["auc"]
    alone = [RankingMetrics(labels, scores)(weights[:, [k]])["auc"][0] for k in range(7)]
    assert together.tolist() == alone


@pytest.mark.parametrize("label", [0, 1])
def test_ranking_metrics_of_one_class_are_undefined(label):
    labels = np.full(5, label, dtype=np.int8)
    assert np.isnan(auc(labels, np.linspace(0, 1, 5)))
    assert np.isnan(average_precision(labels, np.linspace(0, 1, 5)))


def test_a_weighting_without_positives_is_undefined_and_leaves_the_others_alone():
    labels, scores = np.array([1, 0, 0], dtype=np.int8), np.array([0.9, 0.2, 0.3])
    found = RankingMetrics(labels, scores)(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]))
    assert np.isnan(found["auc"][0])
    assert found["auc"][1] == 1.0


def test_a_constant_score_has_auc_one_half_and_the_base_rate_as_average_precision():
    labels = np.array([1, 0, 0, 0], dtype=np.int8)
    assert auc(labels, np.full(4, 0.3)) == 0.5
    assert average_precision(labels, np.full(4, 0.3)) == 0.25


def test_calibration_error_is_the_weighted_mean_gap_of_the_bins():
    probabilities = np.repeat([0.1, 0.6], [10, 30])
    labels = np.zeros(40, dtype=np.int8)
    labels[[0, 1, *range(10, 25)]] = 1  # observed rates 0.2 and 0.5
    found = ProbabilityMetrics(labels, probabilities)(np.ones((40, 1)))
    assert found["calibration_error"][0] == pytest.approx(0.25 * 0.1 + 0.75 * 0.1)
    assert found["calibration_bias"][0] == pytest.approx(0.25 * -0.1 + 0.75 * 0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 12))
def test_bins_keep_order_and_ties_together_and_have_no_gaps(scores, bins):
    scores = np.array(scores)
    found = equal_mass_bins(scores, bins=bins)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert all(len(set(found[scores == score])) == 1 for score in scores)
    assert sorted(set(found)) == list(range(found.max() + 1))
    assert found.max() < bins


def test_bins_of_distinct_scores_hold_equally_many_rows():
    found = equal_mass_bins(np.random.default_rng(0).permutation(1000) / 1000, bins=10)
    assert np.bincount(found).tolist() == [100] * 10


def test_calibration_slope_is_that_of_an_unpenalised_logistic_regression():
    generator = np.random.default_rng(0)
    logit = generator.normal(-1, 1.5, 3000)
    labels = (generator.random(3000) < 1 / (1 + np.exp(-(0.4 + 0.7 * logit)))).astype(np.int8)
    found = CalibrationLine(labels, 1 / (1 + np.exp(-logit)))(np.ones((3000, 1)))
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], labels)
    assert found["calibration_slope"][0] == pytest.approx(oracle.coef_[0, 0], abs=1e-4)


def test_calibration_intercept_makes_the_mean_prediction_the_observed_rate():
    generator = np.random.default_rng(1)
    logit = generator.normal(0, 1, 2000)
    labels = (generator.random(2000) < 0.3).astype(np.int8)
    shift = CalibrationLine(labels, 1 / (1 + np.exp(-logit)))(np.ones((2000, 1)))["calibration_intercept"][0]
    assert np.mean(1 / (1 + np.exp(-(logit + shift)))) == pytest.approx(labels.mean(), abs=1e-8)


def test_one_newton_step_is_close_to_refitting_on_a_resample():
    generator = np.random.default_rng(2)
    logit = generator.normal(-1, 1, 4000)
    labels = (generator.random(4000) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    drawn = generator.integers(0, 4000, 4000)
    weights = np.bincount(drawn, minlength=4000).astype(float)
    line = CalibrationLine(labels, 1 / (1 + np.exp(-logit)))
    step, before = line(weights[:, None]), line(np.ones((4000, 1)))
    refit = CalibrationLine(labels[drawn], 1 / (1 + np.exp(-logit[drawn])))(np.ones((4000, 1)))
    for name, value in step.items():
        moved = abs(refit[name][0] - before[name][0])
        assert moved > 0.02
        assert abs(value[0] - refit[name][0]) < 0.15 * moved


def test_the_slope_of_a_constant_or_of_separated_rows_is_undefined():
    labels = np.array([0, 1, 0, 1], dtype=np.int8)
    assert np.isnan(CalibrationLine(labels, np.full(4, 0.5))(np.ones((4, 1)))["calibration_slope"][0])
    separated = np.array([0.1, 0.9, 0.2, 0.8])
    assert np.isnan(CalibrationLine(labels, separated)(np.ones((4, 1)))["calibration_slope"][0])


@given(weighted_rows(), st.sampled_from([0.0, 0.1, 0.3, 0.73, 1.1]))
def test_decision_metrics_count_what_is_at_or_above_the_threshold(case, threshold):
    labels, probabilities, weights = case
    cost = Cost(false_positive=2, false_negative=7)
    found = DecisionMetrics(labels, probabilities, threshold=threshold, cost=cost)(weights[:, None])
    rows = [
        (y, p >= threshold)
        for y, p, w in zip(labels, probabilities, weights, strict=True)
        for _ in range(int(w))
    ]
    true_positives, flagged = sum(y and f for y, f in rows), sum(f for _, f in rows)
    positives = sum(y for y, _ in rows)
    spent = sum(2 if f and not y else 7 if y and not f else 0 for y, f in rows)
    assert found["true_positive_rate"][0] == pytest.approx(true_positives / positives)
    assert found["false_positive_rate"][0] == pytest.approx(
        (flagged - true_positives) / (len(rows) - positives)
    )
    assert found["selection_rate"][0] == pytest.approx(flagged / len(rows))
    assert found["cost_per_row"][0] == pytest.approx(spent / len(rows))
    assert (np.isnan(found["precision"][0]) and not flagged) or (
        found["precision"][0] == pytest.approx(true_positives / flagged)
    )


@given(weighted_rows())
@settings(max_examples=50)
def test_the_threshold_curve_has_scikit_learns_points(case):
    labels, scores, _ = case
    curve = threshold_curve(labels, scores)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    assert curve.threshold[::-1].tolist() == thresholds.tolist()
    assert curve.precision[::-1] == pytest.approx(precision[:-1])
    assert curve.recall[::-1] == pytest.approx(recall[:-1])


def test_brier_of_no_rows_is_undefined():
    assert np.isnan(brier(np.zeros(0, dtype=np.int8), np.zeros(0)))
