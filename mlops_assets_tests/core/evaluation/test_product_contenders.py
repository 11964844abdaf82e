"""Whom a candidate is compared with: each is scored on the same test rows, and fitted on none of them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.product_contenders import contender_columns, product_contenders
from mlops_assets.core.features.expressions import col
from mlops_assets.core.product import Product
from mlops_assets_tests.support.homes.small_home import small_product
from mlops_assets_tests.support.small_model import small_model, small_rows

BASELINES = {
    "amount": col("amount_usd"),
    "share": col("terminal_fraud_share"),
    "night": col("night"),
}


@pytest.fixture(scope="module")
def product() -> Product:
    return replace(small_product(), baselines=BASELINES)


def contenders(
    product: Product, rows: pl.DataFrame, test_rows: pl.DataFrame, **models
) -> dict[str, Contender]:
    found = product_contenders(
        product,
        training_set=rows,
        test_rows=test_rows,
        candidate=small_model(),
        variants=models.get("variants", {}),
        champion=models.get("champion"),
    )
    assert found[0].name == "candidate"
    return {one.name: one for one in found}


def test_everybody_scores_the_test_rows_and_models_by_their_own_prediction(product: Product) -> None:
    rows, test_rows = small_rows(), small_rows(200, seed=9)
    other = small_model(seed=1)
    found = contenders(product, rows, test_rows, variants={"with_more": other}, champion=other)
    assert list(found) == [
        "candidate", "constant", "logistic_regression", "amount", "share", "night", "with_more", "champion"
    ]  # fmt: skip
    assert {len(one.scores) for one in found.values()} == {200}
    assert np.array_equal(found["candidate"].scores, small_model().predict(test_rows))
    assert np.array_equal(found["champion"].scores, other.predict(test_rows))
    assert np.array_equal(found["with_more"].scores, found["champion"].scores)


def test_test_rows_teach_the_baselines_nothing(product: Product) -> None:
    rows, test_rows = small_rows(), small_rows(200, seed=9)
    test = small_rows(400, seed=5).with_columns(split=pl.lit("test"), is_fraud=pl.lit(1, pl.Int8))
    alone, beside = (contenders(product, frame, test_rows) for frame in (rows, pl.concat([rows, test])))
    for name in ("constant", "logistic_regression"):
        assert np.array_equal(alone[name].scores, beside[name].scores)
    assert alone["constant"].scores[0] == rows.filter(split="train")["is_fraud"].mean()


def test_a_baseline_outside_zero_to_one_only_ranks_and_null_is_no_prediction(product: Product) -> None:
    test_rows = small_rows(200, seed=9)
    found = contenders(product, small_rows(), test_rows)
    assert not found["amount"].is_probability
    assert found["share"].is_probability
    missing = test_rows["terminal_fraud_share"].is_null().to_numpy()
    assert missing.any()
    assert np.array_equal(np.isnan(found["share"].scores), missing)
    assert np.array_equal(found["share"].known_rows, np.flatnonzero(~missing))


def test_the_columns_of_events_are_those_that_no_training_set_has(product: Product) -> None:
    spec, feature = product.spec, product.view.feature_names[0]
    evaluation = spec.evaluation.model_copy(
        update={"slices": (*spec.evaluation.slices[:0],), "group_column": "customer_id"}
    )
    asked = replace(
        product,
        spec=spec.model_copy(update={"evaluation": evaluation}),
        baselines={"one": col("terminal_id") + col(feature) + col(spec.id_column)},
    )
    assert contender_columns(asked) == ("customer_id", "terminal_id")
