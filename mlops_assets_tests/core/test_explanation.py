import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.explanation import contribution_importance, dependence, top_contributions

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


def test_dependence_shows_the_mean_contribution_along_the_value_and_of_missing_values():
    values = [float(v) for v in range(100)]
    features = pl.DataFrame({"amount": [*values, None, None]})
    contributions = pl.DataFrame({"amount": [*(0.1 * v for v in values), -2.0, -4.0], "bias": [0.0] * 102})
    found = dependence(contributions, features, feature="amount", bins=4)
    assert found["rows"].to_list() == [25, 25, 25, 25, 2]
    assert found["low"].to_list() == [0.0, 25.0, 50.0, 75.0, None]
    assert found["high"].to_list() == [24.0, 49.0, 74.0, 99.0, None]
    assert found["mean"].to_list() == pytest.approx([1.2, 3.7, 6.2, 8.7, -3.0])
    assert (found["p10"] <= found["p90"]).all()


def test_dependence_of_a_feature_that_is_always_missing_is_one_row():
    features = pl.DataFrame({"amount": pl.Series([None, None], dtype=pl.Float64)})
    found = dependence(CONTRIBUTIONS, features, feature="amount")
    assert found.select("low", "mean", "rows").rows() == [(None, -1.0, 2)]


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
