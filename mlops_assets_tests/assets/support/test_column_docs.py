"""What the columns of tables mean: in the words of the contract, of the view, and of the table itself."""

import dagster as dg
import polars as pl
import pytest

from mlops_assets.assets.support.column_docs import (
    PLATFORM_COLUMNS,
    TABLE_COLUMNS,
    column_lineage,
    column_schema,
)
from mlops_assets.core.contracts.contract import describe_columns
from mlops_assets_tests.support.homes.small_home import small_product

PRODUCT = small_product()


def words(noun: str, *columns: str) -> dict[str, str | None]:
    schema = column_schema(PRODUCT, noun, dict.fromkeys(columns, pl.Float64()))
    assert [column.type for column in schema.columns] == ["Float64"] * len(columns)
    return {column.name: column.description for column in schema.columns}


def test_columns_are_described_by_the_contract_the_view_and_the_label() -> None:
    contract = {column.name: column for column in describe_columns(PRODUCT.event_schema)}
    name = "amount_usd"
    described = str(words("events", name)[name])
    assert contract[name].description in described or PRODUCT.view.describe(name).description in described
    feature = next(n for n in PRODUCT.view.feature_names if PRODUCT.view.describe(n).null_means)
    assert f"Null: {PRODUCT.view.describe(feature).null_means}" in str(words("features", feature)[feature])
    assert words("labels", "is_fraud")["is_fraud"]


@pytest.mark.parametrize("noun", TABLE_COLUMNS)
def test_a_tables_own_words_win_over_the_platforms(noun: str) -> None:
    found = words(noun, *TABLE_COLUMNS[noun])
    assert found == dict(TABLE_COLUMNS[noun])
    for column in (
        set(PLATFORM_COLUMNS)
        - set(TABLE_COLUMNS[noun])
        - set(PRODUCT.view.feature_names)
        - {"known_at", "event_timestamp"}
    ):
        assert words(noun, column)[column] == PLATFORM_COLUMNS[column]


def test_a_column_that_nobody_describes_is_shown_without_words() -> None:
    assert words("events", "surprise") == {"surprise": None}


def test_every_feature_is_traced_to_the_columns_that_it_is_computed_from() -> None:
    lineage = column_lineage(PRODUCT).deps_by_column
    assert set(lineage) == set(PRODUCT.view.feature_names)
    assert dg.TableColumnDep(dg.AssetKey([PRODUCT.name, "events"]), "amount_usd") in lineage["amount_usd"]
    share = next(name for name in lineage if "fraud_share" in name)
    assert {dep.asset_key.path[-1] for dep in lineage[share]} >= {"labels"}
