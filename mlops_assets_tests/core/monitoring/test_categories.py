"""Categories are categories from the contract to the drift report, whatever numbers stand for them."""

from dataclasses import replace

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.core.monitoring.categories import category_features, category_names, features_as_given
from mlops_assets.core.monitoring.drift.bins import bins_of
from mlops_assets.core.monitoring.drift.column import History, judge_column, learn_column
from mlops_assets.core.monitoring.drift.variation import moved_share
from mlops_assets.core.monitoring.profile import ColumnProfile, add, profile_column


class Visit(pa.DataFrameModel):
    visit_id: int
    city: int = pa.Field(isin=list(range(60)))
    shop: int = pa.Field(metadata={"category": True})
    rooms: int = pa.Field(isin=[1, 2, 3], metadata={"category": False})
    colour: pl.Enum(["red", "blue"])  # pyright: ignore[reportInvalidTypeForm]
    age: int = pa.Field(ge=0)


def test_codes_are_known_from_the_contract_and_the_view() -> None:
    features = {
        "city": col("city"), "city_number": col("city").cast_float(), "shop": col("shop"), "rooms": col("rooms"),
        "colour": col("colour").category(("red", "blue")), "age": col("age"), "older": col("city") + 1,
    }  # fmt: skip
    view = FeatureView("visits", "visit_id", None, tuple(RowFeature(n, e, "") for n, e in features.items()))
    product = replace(load_product("mortality_risk"), event_schema=Visit, view=view)
    assert category_features(product) == {"city", "city_number", "shop", "colour"}
    assert category_names(view) == {"colour": ("red", "blue")}


def test_values_as_the_source_gave_them_are_those_that_no_time_is_in() -> None:
    given = features_as_given(load_product("fraud_detection").view)
    assert "amount_usd" in given
    assert given.isdisjoint({"is_weekend", "is_night", "customer_transaction_count_1d"})


def cities(rows: int, *, seed: int, among: np.ndarray) -> ColumnProfile:
    codes = np.random.default_rng(seed).choice(among, rows).astype(float)
    return profile_column(pl.Series(codes), is_category=True)


@pytest.mark.parametrize("seed", range(3))
def test_fifty_of_sixty_cities_that_vanish_are_seen_and_the_same_cities_are_no_drift(seed: int) -> None:
    every = np.random.default_rng(0).permutation(60)
    # The ten that stay lie evenly among the codes, so that an order of the codes shows nothing.
    stay = np.arange(3, 60, 6)
    for rows in (3000, 300):
        windows = tuple(cities(rows, seed=100 + number, among=every) for number in range(12))
        learned = learn_column(
            History(windows, add(windows[-4:]), 4), column="city", role="feature", is_category=True
        )
        for among, verdict in ((every, "stable"), (stay, "drift")):
            found = judge_column(learned, cities(rows, seed=seed, among=among), lag=0, chance=0.001)
            assert found.verdict == verdict, found.reason


def test_a_renumbering_that_keeps_the_order_is_no_drift_of_numbers_but_one_of_categories() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.integers(0, 100, 4000) * 2.0, rng.integers(0, 100, 4000) * 2.0 + 1.0
    moved = {}
    for is_category in (False, True):
        theirs, ours = (
            profile_column(pl.Series(values), is_category=is_category) for values in (reference, current)
        )
        bins = bins_of(theirs, is_category=is_category)
        moved[is_category] = float(moved_share(bins.counts(ours), bins.counts(theirs)))
    assert moved[False] < 0.1
    assert moved[True] > 0.4
