"""What every asset of a product has in common."""

from datetime import date, timedelta

import dagster as dg
import pytest

from mlops_assets.assets.support.asset_options import (
    asset_options,
    partitions_of,
    product_asset,
    upstream,
    window_lookback,
)
from mlops_assets.assets.support.code_versions import asset_code
from mlops_assets.assets.support.recorded_reads import LIBRARIES
from mlops_assets.catalogue import load_product
from mlops_assets_tests.support.homes.small_home import END_DAY, FIRST_DAY, small_product

PRODUCT, COHORT = small_product(), load_product("mortality_risk")


def test_partitions_are_the_days_of_the_data_and_a_cohort_has_none() -> None:
    partitions = partitions_of(PRODUCT.spec)
    assert partitions is not None
    keys = partitions.get_partition_keys()
    assert (keys[0], keys[-1]) == (FIRST_DAY.isoformat(), (END_DAY - timedelta(days=1)).isoformat())
    assert partitions_of(COHORT.spec) is None


def test_data_that_go_on_have_a_partition_for_each_day_that_is_over() -> None:
    spec = PRODUCT.spec.model_copy(update={"time": PRODUCT.spec.time.model_copy(update={"end_date": None})})  # pyright: ignore
    partitions = partitions_of(spec)
    assert partitions is not None
    assert date.fromisoformat(str(partitions.get_last_partition_key())) >= date(2026, 1, 1)


@pytest.mark.parametrize(("product", "is_daily"), [(PRODUCT, True), (COHORT, False)], ids=["daily", "cohort"])
def test_an_asset_says_whose_it_is_where_it_stands_and_takes_a_range_in_one_run(
    product, is_daily: bool
) -> None:
    @product_asset(
        product,
        "events",
        stage="data",
        kinds={"polars"},
        is_partitioned=True,
    )
    def events() -> dg.MaterializeResult:
        """One row is an event."""
        return dg.MaterializeResult()

    (spec,) = events.specs
    assert spec.key == dg.AssetKey([product.name, "events"])
    assert (spec.group_name, set(spec.owners)) == (f"{product.name}/data", set(product.spec.owners))
    function = events.op.compute_fn.decorated_fn  # pyright: ignore
    assert spec.code_version == asset_code(product, function).short_digest
    assert {"lightgbm", "numpy", "polars"} <= set(spec.metadata[LIBRARIES].value)
    assert spec.description == "One row is an event."
    assert spec.tags["domain"] == product.spec.domain
    assert ("pii" in spec.tags) == product.spec.pii
    assert (events.partitions_def is not None) == (events.backfill_policy is not None) == is_daily
    whole = asset_options(product, "model", stage="training", kinds=set(), function=function)
    assert whole["partitions_def"] is None


@pytest.mark.parametrize(
    ("lookback", "days"), [(timedelta(hours=1), 1), (timedelta(days=2), 2), (timedelta(days=2, seconds=1), 3)]
)
def test_a_lookback_needs_every_day_that_it_touches(lookback: timedelta, days: int) -> None:
    mapping = upstream(PRODUCT, "events", lookback=lookback).partition_mapping
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert mapping.start_offset == -days
    assert upstream(PRODUCT, "events").partition_mapping is None
    assert upstream(COHORT, "events", lookback=lookback).partition_mapping is None


@pytest.mark.parametrize(
    ("period", "first", "last"), [("week", "2018-03-26", "2018-05-28"), ("month", "2018-04-01", "2018-05-01")]
)
def test_weeks_and_months_hold_the_first_and_the_last_day(period: str, first: str, last: str) -> None:
    partitions = partitions_of(
        small_product(time={"partitions": period}, monitoring={"window_days": 35}).spec
    )
    assert partitions is not None
    keys = partitions.get_partition_keys()
    assert (keys[0], keys[-1]) == (first, last)


@pytest.mark.parametrize(
    ("period", "window", "offset"), [("day", 7, -6), ("week", 7, 0), ("week", 21, -2), ("month", 35, -1)]
)
def test_a_window_depends_on_the_partitions_that_it_reaches(period: str, window: int, offset: int) -> None:
    product = small_product(time={"partitions": period}, monitoring={"window_days": window})
    mapping = upstream(product, "predictions", lookback=window_lookback(product)).partition_mapping
    found = mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0
    assert found == offset
