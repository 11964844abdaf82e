import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.model.explanation import contribution_importance, top_contributions

CONTRIBUTIONS = pl.DataFrame(
    {"amount": [1.0, -3.0], "is_night": [0.5, 0.5], "count_7d": [0.0, -0.5], "bias": [-4.0, -4.0]}
)
FEATURES = pl.DataFrame(
    {"amount": [220.5, 3.0], "is_night": pl.Series([1, 0], dtype=pl.Int8), "count_7d": [None, 4.0]}
)


def test_importance_is_the_mean_absolute_contribution_without_the_bias():
    found = contribution_importance(CONTRIBUTIONS)
    assert found.rows() == [
        ("amount", 2.0, pytest.approx(2 / 2.75)),
        ("is_night", 0.5, pytest.approx(0.5 / 2.75)),
        ("count_7d", 0.25, pytest.approx(0.25 / 2.75)),
    ]


def test_importance_of_a_model_that_learned_nothing_has_no_shares():
    found = contribution_importance(pl.DataFrame({"amount": [0.0], "bias": [-4.0]}))
    assert found.rows() == [("amount", 0.0, 0.0)]


def test_no_rows_cannot_be_summarised():
    with pytest.raises(EvaluationError, match="no rows"):
        contribution_importance(CONTRIBUTIONS.clear())


def test_the_largest_contributions_of_a_row_come_first_with_the_values_behind_them():
    found = top_contributions(CONTRIBUTIONS, FEATURES, row=1, count=2)
    assert found.rows() == [("amount", 3.0, -3.0), ("is_night", 0.0, 0.5)]
    assert top_contributions(CONTRIBUTIONS, FEATURES, row=0).rows()[2] == ("count_7d", None, 0.0)


def test_contributions_of_a_real_model_explain_its_score():
    import lightgbm

    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(400, 3))
    labels = (matrix[:, 1] + 0.3 * generator.normal(size=400) > 0).astype(int)
    options = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 0}
    booster = lightgbm.train(options, lightgbm.Dataset(matrix, labels), 20)
    names = ["first", "second", "third", "bias"]
    contributions = pl.DataFrame(np.asarray(booster.predict(matrix, pred_contrib=True)), schema=names)
    importance = contribution_importance(contributions)
    assert importance["feature"][0] == "second"
    assert importance["share"][0] > 0.7
