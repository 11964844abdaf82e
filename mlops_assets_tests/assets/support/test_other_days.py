"""A day that a run wrote beside its own partitions is materialized in Dagster's eyes, if it changed."""

from datetime import date

import dagster as dg

from mlops_assets.assets.support.other_days import tell_of_another_day
from mlops_assets.core.lakehouse.write import TableCommit
from mlops_assets.core.product import Product
from mlops_assets_tests.support.homes.small_home import small_product

DAY = date(2018, 4, 4)


def told_of(product: Product) -> tuple[str | None, dg.AssetMaterialization]:
    @dg.asset
    def writes(context: dg.AssetExecutionContext) -> None:
        for version, changed in ((3, True), (3, False)):
            commit = TableCommit(version, 5, changed=changed)
            tell_of_another_day(context, product, "outcomes", DAY, commit, why="it shares ids")

    result = dg.materialize([writes])
    (told,) = (e for e in result.get_asset_materialization_events() if e.partition)
    assert told.asset_key == dg.AssetKey([product.name, "outcomes"])
    return told.partition, told.step_materialization_data.materialization


def test_only_a_day_that_changed_is_told() -> None:
    partition, told = told_of(small_product())
    assert partition == DAY.isoformat()
    assert told.description == "Made again: it shares ids."
    assert told.metadata["dagster/partition_row_count"].value == 5
    assert (told.tags or {})["dagster/data_version"] == "3"


def test_the_rows_of_a_day_are_not_said_to_be_those_of_its_week() -> None:
    partition, told = told_of(small_product(time={"partitions": "week"}))
    assert partition == "2018-04-02"
    assert told.description == "2018-04-04 was made again: it shares ids."
    assert "dagster/partition_row_count" not in told.metadata
