"""The challenger's test rows, scored by both versions of a canary."""

import shutil

import numpy as np
import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.evaluation_rows import ScoredByBoth, rows_of_both
from mlops_assets.core.product_spec import Cost
from mlops_assets_tests.support.homes.canary_home import PRODUCT, THRESHOLD, CanaryHome
from mlops_assets_tests.support.small_model import small_model

SPEC = load_product(PRODUCT).spec


def test_both_versions_score_the_same_rows_in_the_order_of_their_time(
    home: CanaryHome, canary: Canary
) -> None:
    rows = home.read("training_set").filter(split="test").sort("event_timestamp", "transaction_id")
    found = rows_of_both(SPEC, canary, tables=home.tables, control=home.control)
    assert found is not None
    assert np.array_equal(found.champion, small_model(seed=0).predict(rows))
    assert np.array_equal(found.challenger, small_model(seed=1).predict(rows))
    assert found.thresholds == (THRESHOLD, THRESHOLD)
    assert list(found.entities) == [number % 700 for number in rows["transaction_id"]]
    assert found.outcomes.to_list() == rows["is_fraud"].to_list()


def test_a_version_beside_itself_has_the_same_scores(home: CanaryHome, canary: Canary) -> None:
    same = Canary(PRODUCT, champion=1, challenger=1, steps=canary.steps)
    found = rows_of_both(SPEC, same, tables=home.tables, control=home.control)
    assert found is not None
    assert np.array_equal(found.champion, found.challenger)


def test_without_test_rows_or_a_feature_of_a_version_there_is_nothing_to_expect(
    home: CanaryHome, canary: Canary
) -> None:
    rows = home.read("training_set")
    for changed in (rows.with_columns(split=pl.lit("train")), rows.drop("night")):
        shutil.rmtree(home.tables.uri(PRODUCT, "training_set"))
        home.write("training_set", changed)
        assert rows_of_both(SPEC, canary, tables=home.tables, control=home.control) is None


def test_once_an_entity_had_a_loss_a_further_one_is_no_first(home: CanaryHome, canary: Canary) -> None:
    scores = np.tile(np.array([0.9, 0.1, 0.9, 0.1]), 100)
    outcomes = pl.Series([1, 0, 0, 1] * 100, dtype=pl.Int8)
    cost = Cost(false_positive=1, false_negative=1, unit="EUR")
    alike = ScoredByBoth(scores, scores, (0.5, 0.5), tuple(range(400)), outcomes)
    assert alike.loss_factors(cost)[0] >= 0
    unknown = ScoredByBoth(scores, scores, (0.5, 0.5), tuple(range(400)), outcomes.scatter([0], [None]))
    assert len(unknown.loss_factors(cost)) == len(alike.loss_factors(cost))
