"""Predictions and outcomes: scores of the released version, and what became of them."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    LAST_DAY,
    SmallHome,
)


def test_predictions_are_the_released_models_scores_of_the_features(released_home: SmallHome) -> None:
    model = released_home.registry.load("fraud_detection", 1)
    predictions = released_home.read("predictions").sort("transaction_id")
    features = released_home.read("features").join(predictions.select("transaction_id"), on="transaction_id")
    expected = model.predict(features.sort("transaction_id"))
    assert predictions["score"].to_list() == expected.tolist()
    assert predictions["event_date"].min() == AS_OF
    assert predictions["model_version"].unique().to_list() == [1]


def test_an_outcome_appears_on_the_day_on_which_it_became_known(released_home: SmallHome) -> None:
    outcomes = released_home.read("outcomes")
    assert outcomes["known_date"].min() == AS_OF + timedelta(days=7)
    assert outcomes.select((pl.col("known_at") - pl.col("event_timestamp") == timedelta(days=7)).all()).item()


def test_predictions_before_any_release_say_what_to_do(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home")
    for nouns in (("predictions",), ("drift_report",)):
        with pytest.raises(RegistryError, match=r"no released version: materialize fraud_detection/release"):
            home.materialize(*nouns, days=LAST_DAY)
    assert "predictions" not in home.table_versions()
