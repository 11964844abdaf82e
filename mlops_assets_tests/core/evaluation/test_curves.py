"""Curves and bins behind the numbers."""

import polars as pl
import pytest

from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.product_spec import Gate
from mlops_assets_tests.support.evaluated import evaluated, simulated_rows

IN_SLICES = Gate(name="not_worse", metric="auc", against="noisy", slices=True)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return simulated_rows()


@pytest.fixture(scope="module")
def result(rows) -> EvaluationResult:
    return evaluated(rows, gates=[IN_SLICES])


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
