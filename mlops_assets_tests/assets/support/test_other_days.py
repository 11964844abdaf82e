"""A day that a run wrote beside its own partitions is materialized in Dagster's eyes, if it changed."""

from datetime import date

import dagster as dg

from mlops_assets.assets.support.other_days import tell_of_another_day
from mlops_assets.core.lakehouse.write import TableCommit
from mlops_assets_tests.support.homes.small_home import small_product

DAY = date(2018, 4, 2)


def test_only_a_day_that_changed_is_told() -> None:
    product = small_product()

    @dg.asset
    def writes(context: dg.AssetExecutionContext) -> None:
        for version, changed in ((3, True), (3, False)):
            commit = TableCommit(version, 5, changed=changed)
            tell_of_another_day(context, product, "outcomes", DAY, commit, why="it shares ids")

    result = dg.materialize([writes])
    (told,) = (e for e in result.get_asset_materialization_events() if e.partition)
    assert told.asset_key == dg.AssetKey([product.name, "outcomes"])
    materialization = told.step_materialization_data.materialization
    assert told.partition == DAY.isoformat()
    assert materialization.description == "Made again: it shares ids."
    assert (materialization.tags or {})["dagster/data_version"] == "3"
