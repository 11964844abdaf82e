"""One row at a time gives the bits that a batch gives."""

from collections.abc import Callable

import lightgbm.libpath
import numpy as np
import pytest

from mlops_assets.core.model.calibration import (
    Calibrator,
    IsotonicCalibrator,
    NoCalibrator,
    SigmoidCalibrator,
)
from mlops_assets.core.model.prepared_call import PreparedCall
from mlops_assets.core.model.single_row import SingleRowScorer, calibrate_one
from mlops_assets_tests.support.small_model import small_model

CALIBRATORS = (
    NoCalibrator(),
    SigmoidCalibrator(slope=1.3, intercept=-0.2),
    IsotonicCalibrator((0.0, 0.1, 0.5, 1.0), (0.0, 0.2, 0.3, 1.0)),
)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda calibrator: calibrator.kind)
def test_single_rows_equal_the_batch_to_the_last_bit(calibrator: Calibrator) -> None:
    model = small_model().with_calibrator(calibrator)
    draw = np.random.default_rng(0)
    matrix = draw.normal(50, 80, (5000, len(model.feature_names)))
    matrix[draw.random(matrix.shape) < 0.1] = np.nan
    scorer = SingleRowScorer(model)
    rows = [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]
    np.testing.assert_array_equal([scorer.score(row) for row in rows], model.predict_matrix(matrix))


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda calibrator: calibrator.kind)
def test_one_probability_is_calibrated_as_many_are(calibrator: Calibrator) -> None:
    edges = [0.0, 5e-324, 0.1, np.nextafter(0.1, 0), 0.5, np.nextafter(1.0, 0), 1.0]
    probabilities = np.array([*edges, *np.random.default_rng(1).random(5000)])
    one = calibrate_one(calibrator)
    np.testing.assert_array_equal(
        [one(probability) for probability in probabilities.tolist()], calibrator.apply(probabilities)
    )


def test_a_row_leaves_nothing_behind_for_the_next() -> None:
    scorer = SingleRowScorer(small_model())
    missing = scorer.score([None, None, None])
    scorer.score([500.0, 1.0, 0.9])
    assert scorer.score([None, None, None]) == missing


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lightgbm.libpath, "_LIB")


def without_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm.libpath, "_LIB", object())


def with_another_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    call = PreparedCall.__call__
    monkeypatch.setattr(PreparedCall, "__call__", lambda self, row: np.nextafter(call(self, row), 1.0))


@pytest.mark.parametrize("break_it", [without_library, without_function, with_another_bit])
def test_where_the_prepared_call_is_not_as_known_the_bits_are_the_same_and_one_line_says_so(
    break_it: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = small_model().with_calibrator(CALIBRATORS[2])
    rows = np.random.default_rng(2).normal(50, 80, (200, len(model.feature_names)))
    rows[rows < 0] = np.nan
    expected = model.predict_matrix(rows)
    break_it(monkeypatch)
    scorer = SingleRowScorer(model)
    values = [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
    np.testing.assert_array_equal([scorer.score(row) for row in values], expected)
    said = [r.message for r in caplog.records if r.name == "mlops_assets.core.model.single_row"]
    assert len(said) == 1
    assert "to the same bits" in said[0]
