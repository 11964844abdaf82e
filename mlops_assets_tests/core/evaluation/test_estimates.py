"""The rows of an evaluation's table: metrics, differences, groups and gaps, each on the rows that it is about."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.product_spec import Gate
from mlops_assets_tests.support.evaluated import evaluated, simulated_contenders, simulated_rows

IN_SLICES = Gate(name="not_worse", metric="auc", against="noisy", slices=True)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return simulated_rows()


@pytest.fixture(scope="module")
def result(rows) -> EvaluationResult:
    return evaluated(rows, gates=[IN_SLICES])


def one(frame: pl.DataFrame, **where: str) -> dict:
    return frame.filter(**where).row(0, named=True)


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
