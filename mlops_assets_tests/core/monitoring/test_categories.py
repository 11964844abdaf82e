"""Categories are categories from the contract to the drift report, whatever numbers stand for them."""

from dataclasses import replace

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.core.monitoring.categories import category_features
from mlops_assets.core.monitoring.drift import drift_report
from mlops_assets.core.monitoring.population_stability import population_stability_index
from mlops_assets.core.product_spec import Monitoring


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


def cities(rows: int, *, seed: int, among: np.ndarray) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"city": rng.choice(among, rows).astype(float), "score": rng.beta(1, 30, rows)})


@pytest.mark.parametrize("seed", range(3))
def test_fifty_of_sixty_cities_that_vanish_are_seen_and_the_same_cities_are_no_drift(
    seed: int,
) -> None:
    every = np.random.default_rng(0).permutation(60)
    reference = cities(4000, seed=99, among=every)
    # The ten that stay lie evenly among the codes, so that an order of the codes shows nothing.
    stay = np.arange(3, 60, 6)
    for rows, among, verdict in (
        (3000, every, "stable"),
        (3000, stay, "drift"),
        (300, every, "stable"),
        (300, stay, "drift"),
    ):
        report = drift_report(
            reference, cities(rows, seed=seed, among=among), feature_names=["city"], score="score",
            monitoring=Monitoring(minimum_rows=50), seed=0, categories=["city"],
        )  # fmt: skip
        assert report.columns[0].verdict == verdict, report.columns[0].reason


def test_a_renumbering_that_keeps_the_order_is_no_drift_of_numbers_but_one_of_categories() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.integers(0, 100, 4000) * 2.0, rng.integers(0, 100, 4000) * 2.0 + 1.0
    assert population_stability_index(reference, current) < 0.1
    assert population_stability_index(reference, current, is_category=True) > 1.0
