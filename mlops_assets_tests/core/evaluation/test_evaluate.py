import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.metrics import METRICS
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


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if metric.direction])
def test_a_positive_difference_means_that_the_candidate_is_better(result, metric):
    found = result.differences.filter(contender="noisy", metric=metric)
    if metric in {"auc", "average_precision", "brier", "log_loss", "calibration_error"}:
        assert (
            found["low"].item() > 0
        )  # the candidate is the true probability, the other one a noisy copy of it
        sign = METRICS[metric].direction
        expected = sign * (result.value(metric) - result.value(metric, "noisy"))
        assert found["value"].item() == pytest.approx(expected)
    else:
        assert found.is_empty()


def test_a_difference_is_taken_on_the_rows_that_both_predict(rows, result):
    physicians = simulated_contenders(rows)[3]
    known = physicians.known_rows
    truth, own = rows["died"].to_numpy()[known], rows["probability"].to_numpy()[known]
    found = one(result.differences, contender="physicians", metric="auc")
    assert found["rows"] == len(known) < rows.height
    assert found["positives"] == truth.sum()
    expected = roc_auc_score(truth, own) - roc_auc_score(truth, physicians.scores[known])
    assert found["value"] == pytest.approx(expected)


def test_differences_are_paired_so_their_interval_is_narrower_than_the_metrics(rows):
    nearly = np.clip(
        rows["probability"].to_numpy() * np.random.default_rng(0).uniform(0.98, 1.02, rows.height), 0, 1
    )
    found = evaluated(
        rows, [Contender("candidate", rows["probability"].to_numpy()), Contender("nearly", nearly)]
    )
    difference, own = (
        one(found.differences, metric="auc"),
        one(found.metrics, metric="auc", contender="nearly"),
    )
    assert difference["high"] - difference["low"] < 0.2 * (own["high"] - own["low"])


def test_the_candidate_against_itself_differs_by_exactly_nothing(rows):
    scores = rows["probability"].to_numpy()
    found = evaluated(
        rows, [Contender("candidate", scores), Contender("champion", scores.copy())]
    ).differences
    assert found.height == 5
    assert found.select("value", "low", "high").unique().row(0) == (0.0, 0.0, 0.0)


def test_swapping_candidate_and_champion_swaps_the_sign(rows):
    candidate, _, noisy, *_ = simulated_contenders(rows)
    there = evaluated(rows, [candidate, noisy]).differences
    back = evaluated(rows, [noisy, candidate]).differences
    for metric in ("auc", "average_precision", "brier", "log_loss"):
        a, b = one(there, metric=metric), one(back, metric=metric)
        assert (a["value"], a["low"], a["high"]) == pytest.approx((-b["value"], -b["high"], -b["low"]))


def test_slices_are_the_metric_of_their_rows(rows, result):
    part = rows.filter(pl.col("age_years").is_between(40, 60, closed="left"))
    found = one(result.slices, slice="age_years", group="40–<60", metric="auc")
    assert (found["rows"], found["positives"]) == (part.height, part["died"].sum())
    assert found["value"] == pytest.approx(roc_auc_score(part["died"], part["probability"]))


def test_slices_are_compared_only_with_the_contenders_of_gates_on_slices(rows, result):
    assert set(result.of_kind("slice_difference")["against"]) == {"noisy"}
    assert evaluated(rows).of_kind("slice_difference").is_empty()
    male = rows.filter(sex="male")
    expected = roc_auc_score(male["died"], male["probability"]) - roc_auc_score(male["died"], male["noisy"])
    found = one(result.of_kind("slice_difference"), slice="sex", group="male", metric="auc")
    assert found["value"] == pytest.approx(expected)


def test_a_slice_is_compared_on_its_rows_that_both_predict(rows):
    physicians = simulated_contenders(rows)[3]
    gate = IN_SLICES.model_copy(update={"against": "physicians"})
    found = one(
        evaluated(rows, gates=[gate]).of_kind("slice_difference"), slice="sex", group="male", metric="auc"
    )
    is_both = (rows["sex"] == "male").to_numpy() & ~np.isnan(physicians.scores)
    assert found["rows"] == is_both.sum()
    part = rows.filter(is_both)
    other = roc_auc_score(part["died"], physicians.scores[is_both])
    assert found["value"] == pytest.approx(roc_auc_score(part["died"], part["probability"]) - other)


def test_small_groups_are_marked_and_enter_no_gap(rows, result):
    fairness = result.fairness
    assert fairness.filter(~pl.col("is_enough"))["group"].to_list() == ["other"]
    large = fairness.filter("is_enough")
    gap = one(result.of_kind("fairness_gap"), metric="selection_rate_gap")
    expected = large["selection_rate"].max() - large["selection_rate"].min()
    assert gap["value"] == pytest.approx(expected)
    assert gap["rows"] == large["rows"].min()
    assert gap["slice"] == "sex"


def test_an_attribute_with_one_large_group_has_no_gap(rows):
    same = rows.with_columns(pl.lit("all").alias("sex"))
    gaps = evaluated(same).of_kind("fairness_gap")
    assert gaps["value"].to_list() == gaps["low"].to_list() == [None, None]
    assert not gaps["is_enough"].any()


def test_a_slice_of_one_class_has_no_auc_but_a_brier_score(rows):
    sliced = rows.with_columns(
        pl.when(pl.col("died") == 1).then(pl.lit("dead")).otherwise(pl.lit("alive")).alias("sex")
    )
    slices = evaluated(sliced).slices.filter(slice="sex", group="alive")
    assert one(slices, metric="auc")["value"] is None
    assert one(slices, metric="auc")["low"] is None
    assert one(slices, metric="brier")["low"] is not None


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


def test_a_result_survives_json(result):
    again = EvaluationResult.from_json(result.to_json())
    for name in ("estimates", "curves", "calibration_bins", "thresholds"):
        assert_frame_equal(getattr(again, name), getattr(result, name), check_exact=True)
    assert again.to_json() == result.to_json()
    assert again.threshold == result.threshold
    assert again.contenders == result.contenders


def test_the_reliability_bins_add_up_to_the_calibration_error(result):
    bins = result.calibration_bins.filter(contender="candidate")
    gaps = (bins["mean_prediction"] - bins["observed_rate"]).abs() * bins["rows"]
    assert gaps.sum() / bins["rows"].sum() == pytest.approx(result.value("calibration_error"))
    assert bins["rows"].sum() == result.rows
    assert (bins["low"] <= bins["observed_rate"]).all()
    assert (bins["observed_rate"] <= bins["high"]).all()


def test_curves_are_thinned_and_end_at_full_recall(result):
    for name in result.contenders:
        curve = result.curves.filter(contender=name)
        assert curve.height <= 250
        assert curve["recall"].is_sorted()
        assert curve["recall"].to_list()[-1] == curve["false_positive_rate"].to_list()[-1] == 1.0


def test_a_missing_slice_or_group_column_is_named(rows):
    with pytest.raises(EvaluationError, match="no column 'income'"):
        evaluated(rows, evaluation=EVALUATION.model_copy(update={"slices": (Slice(column="income"),)}))
    with pytest.raises(EvaluationError, match=r"group_column: the test rows need 'hospital' without nulls"):
        evaluated(rows, evaluation=EVALUATION.model_copy(update={"group_column": "hospital"}))
