"""import numpy as np"""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.product_spec import Gate, Slice
from mlops_assets_tests.support.evaluated import EVALUATION, evaluated, simulated_contenders, simulated_rows

IN_SLICES = Gate(name="not_worse", metric="auc", against="noisy", slices=True)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return simulated_rows()


@pytest.fixture(scope="module")
def result(rows) -> EvaluationResult:
    return evaluated(rows, gates=[IN_SLICES])


def one(frame: pl.DataFrame, **where: str) -> dict:
    return frame.filter(**where).row(0, named=True)


def test_metrics_are_scikit_learns_on_the_rows_that_a_contender_predicts(rows, result):
    labels = rows["died"].to_numpy()
    for contender in simulated_contenders(rows):
        known = contender.known_rows
        truth, scores = labels[known], contender.scores[known]
        assert result.value("auc", contender.name) == pytest.approx(roc_auc_score(truth, scores))
        expected = average_precision_score(truth, scores)
        assert result.value("average_precision", contender.name) == pytest.approx(expected)
        if contender.is_probability:
            assert result.value("brier", contender.name) == pytest.approx(brier_score_loss(truth, scores))
        assert one(result.metrics, contender=contender.name, metric="auc")["rows"] == len(known)


def test_every_interval_contains_its_value(result):
    known = result.estimates.drop_nulls(["value", "low"]).filter("is_enough")
    assert known.height > 80
    inside = known.filter(pl.col("value").is_between(pl.col("low") - 1e-9, pl.col("high") + 1e-9))
    assert_frame_equal(inside, known)


def test_a_score_that_only_ranks_has_no_metric_of_a_probability(result):
    of_ranking = set(result.metrics.filter(contender="ranking")["metric"])
    assert of_ranking == {"auc", "average_precision"}
    assert set(result.differences.filter(contender="ranking")["metric"]) == of_ranking
    assert "ranking" not in set(result.calibration_bins["contender"])


def test_only_the_candidate_is_judged_at_its_threshold(result):
    at_threshold = result.metrics.filter(metric="cost_per_row")
    assert at_threshold["contender"].to_list() == ["candidate"]
    chosen = result.thresholds.filter("is_chosen")["cost_per_row"].item()
    assert at_threshold["value"].item() == pytest.approx(chosen)


def test_the_order_of_the_rows_changes_no_value(rows, result):
    order = np.random.default_rng(0).permutation(rows.height)
    shuffled = [Contender(c.name, c.scores[order], c.is_probability) for c in simulated_contenders(rows)]
    again = evaluated(rows[order], shuffled, gates=[IN_SLICES])
    columns = [
        "kind",
        "contender",
        "against",
        "slice",
        "group",
        "metric",
        "value",
        "rows",
        "positives",
        "is_enough",
    ]
    assert_frame_equal(again.estimates.select(columns), result.estimates.select(columns), abs_tol=1e-9)


def test_the_same_seed_gives_the_same_evaluation_and_another_seed_other_intervals(rows, result):
    assert evaluated(rows, gates=[IN_SLICES]).to_json() == result.to_json()
    other = evaluated(rows, evaluation=EVALUATION.model_copy(update={"seed": 7}))
    assert one(other.metrics, metric="auc")["value"] == one(result.metrics, metric="auc")["value"]
    assert one(other.metrics, metric="auc")["low"] != one(result.metrics, metric="auc")["low"]


def test_the_confidence_widens_the_interval(rows, result):
    wide = evaluated(rows, evaluation=EVALUATION.model_copy(update={"confidence": 0.99}))
    a, b = one(wide.metrics, metric="auc"), one(result.metrics, metric="auc")
    assert a["low"] < b["low"] < b["high"] < a["high"]


def test_rows_of_one_group_are_resampled_together():
    copies = pl.concat([simulated_rows(500)] * 8)
    contenders = simulated_contenders(copies)[:2]
    alone = one(evaluated(copies, contenders).metrics, metric="brier")
    grouped = copies.with_columns(pl.Series("patient", list(range(500)) * 8))
    together = EVALUATION.model_copy(update={"group_column": "patient"})
    wide = one(evaluated(grouped, contenders, evaluation=together).metrics, metric="brier")
    assert wide["value"] == alone["value"]
    assert (
        2.2 < (wide["high"] - wide["low"]) / (alone["high"] - alone["low"]) < 3.6
    )  # the square root of 8 is 2.8


def test_a_missing_slice_or_group_column_is_named(rows):
    with pytest.raises(EvaluationError, match="no column 'income'"):
        evaluated(rows, evaluation=EVALUATION.model_copy(update={"slices": (Slice(column="income"),)}))
    with pytest.raises(EvaluationError, match=r"group_column: the test rows need 'hospital' without nulls"):
        evaluated(rows, evaluation=EVALUATION.model_copy(update={"group_column": "hospital"}))
