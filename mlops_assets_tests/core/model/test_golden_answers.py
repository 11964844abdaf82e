"""Golden answers: made from the model alone, the same everywhere, and different for another model."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import NoCalibrator, SigmoidCalibrator
from mlops_assets.core.model.golden_answers import (
    ROWS,
    answers_to_json,
    golden_answers,
    golden_rows,
    require_golden_answers,
)
from mlops_assets_tests.support.small_model import small_model


def test_rows_follow_from_the_model_and_reach_many_leaves() -> None:
    model = small_model()
    assert golden_rows(model) == golden_rows(small_model())
    assert golden_rows(model)[0] == (None, None, None)
    assert len(golden_rows(model)) == ROWS
    assert len(set(golden_answers(model))) > ROWS // 2


def test_answers_are_those_of_the_whole_model() -> None:
    model = small_model()
    rows = np.array([[np.nan if value is None else value for value in row] for row in golden_rows(model)])
    assert golden_answers(model) == tuple(model.predict_matrix(rows))


def test_stored_answers_keep_every_bit_and_are_short() -> None:
    text = answers_to_json(golden_answers(small_model()))
    assert tuple(json.loads(text)) == golden_answers(small_model())
    assert len(text) < 500
    require_golden_answers(small_model(), text)
    require_golden_answers(small_model(), None)


@pytest.mark.parametrize("stored", ["[0.1]", json.dumps([0.5] * ROWS)])
def test_other_answers_are_told(stored: str) -> None:
    with pytest.raises(PackagingError, match="golden"):
        require_golden_answers(small_model(), stored)


def test_another_calibrator_is_another_model() -> None:
    model = small_model()
    other = replace(model, calibrator=SigmoidCalibrator(slope=0.5, intercept=0.0))
    with pytest.raises(PackagingError, match="golden row 0 is answered with"):
        require_golden_answers(other, answers_to_json(golden_answers(model)))


def test_a_score_that_is_no_probability_is_told() -> None:
    model = replace(small_model(), calibrator=NoCalibrator())
    text = model.booster_text.replace("objective=binary sigmoid:1", "objective=regression")
    with pytest.raises(PackagingError, match="no probability"):
        golden_answers(replace(model, booster_text=text))
