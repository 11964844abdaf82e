"""What an evaluation found: as tables, and as JSON."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

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


def test_a_result_survives_json(result):
    again = EvaluationResult.from_json(result.to_json())
    for name in ("estimates", "curves", "calibration_bins", "thresholds"):
        assert_frame_equal(getattr(again, name), getattr(result, name), check_exact=True)
    assert again.to_json() == result.to_json()
    assert again.threshold == result.threshold
    assert again.contenders == result.contenders
