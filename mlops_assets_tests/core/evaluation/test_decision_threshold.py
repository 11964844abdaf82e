import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.decision_threshold import choose_threshold, threshold_table
from mlops_assets.core.product_spec import Cost

rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.4, 0.41, 0.9, 1.0])), min_size=1, max_size=30
)
costs = st.builds(Cost, false_positive=st.sampled_from([0, 1, 3]), false_negative=st.sampled_from([0, 1, 20]))


def spent(labels, probabilities, threshold, cost) -> float:
    flagged = probabilities >= threshold
    wrong = cost.false_positive * (flagged & (labels == 0)) + cost.false_negative * (~flagged & (labels == 1))
    return float(wrong.mean())


@given(rows, costs)
def test_no_threshold_costs_less_than_the_chosen_one(cases, cost):
    labels, probabilities = (np.array(column) for column in zip(*cases, strict=True))
    chosen = choose_threshold(labels.astype(np.int8), probabilities, cost=cost)
    least = min(spent(labels, probabilities, t, cost) for t in (0.0, 0.1, 0.3, 0.405, 0.5, 0.95, 1.0, 1.1))
    assert chosen.cost_per_row == pytest.approx(least)
    assert spent(labels, probabilities, chosen.value, cost) == pytest.approx(least)


def test_of_equally_good_thresholds_the_one_that_flags_fewest_is_chosen():
    labels, probabilities = np.array([1, 0, 1], dtype=np.int8), np.array([0.9, 0.5, 0.4])
    chosen = choose_threshold(labels, probabilities, cost=Cost(false_positive=1, false_negative=1))
    assert chosen.value == pytest.approx(0.7)


def test_nothing_is_flagged_when_flagging_never_pays():
    chosen = choose_threshold(np.array([0, 0], dtype=np.int8), np.array([0.2, 1.0]), cost=Cost())
    assert chosen.value > 1.0
    assert chosen.cost_per_row == 0.0


def test_everything_is_flagged_when_missing_costs_far_more():
    cost = Cost(false_positive=1, false_negative=1000)
    chosen = choose_threshold(np.array([1, 0, 0], dtype=np.int8), np.array([0.0, 0.5, 0.6]), cost=cost)
    assert chosen.value == 0.0


def test_the_threshold_moves_with_the_cost():
    generator = np.random.default_rng(0)
    probabilities = generator.random(5000)
    labels = (generator.random(5000) < probabilities).astype(np.int8)
    for false_negative, expected in ((1, 0.5), (4, 0.2), (19, 0.05)):
        chosen = choose_threshold(labels, probabilities, cost=Cost(false_negative=false_negative))
        assert chosen.theoretical == pytest.approx(expected)
        assert chosen.value == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize(
    ("probabilities", "message"), [(np.zeros(0), "0 validation rows"), (np.array([np.nan]), "1 of them")]
)
def test_missing_rows_or_probabilities_are_refused(probabilities, message):
    with pytest.raises(EvaluationError, match=message):
        choose_threshold(np.zeros(len(probabilities), dtype=np.int8), probabilities, cost=Cost())


def test_the_table_marks_the_chosen_threshold_and_agrees_with_counting():
    generator = np.random.default_rng(1)
    probabilities = generator.random(400)
    labels = (generator.random(400) < probabilities / 4).astype(np.int8)
    cost = Cost(false_positive=1, false_negative=9)
    chosen = choose_threshold(labels, probabilities, cost=cost)
    table = threshold_table(labels, probabilities, cost=cost, threshold=chosen)
    assert table.filter("is_chosen")["threshold"].to_list() == [chosen.value]
    assert table["threshold"].is_sorted()
    for row in table.iter_rows(named=True):
        assert row["cost_per_row"] == pytest.approx(spent(labels, probabilities, row["threshold"], cost))
        assert row["flagged_share"] == pytest.approx((probabilities >= row["threshold"]).mean())


def test_precision_is_null_where_nothing_is_flagged():
    labels, probabilities = np.array([0, 0, 1], dtype=np.int8), np.array([0.8, 0.7, 0.1])
    chosen = choose_threshold(labels, probabilities, cost=Cost())
    table = threshold_table(labels, probabilities, cost=Cost(), threshold=chosen)
    assert table.filter("is_chosen").select("precision", "recall", "flagged_share").row(0) == (None, 0.0, 0.0)
