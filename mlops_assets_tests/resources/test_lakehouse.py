"""The lakehouse as assets use it, in real Dagster runs."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.resources.lakehouse import LakehouseResource

DAILY = dg.DailyPartitionsDefinition(start_date="2018-04-01", end_date="2018-04-10")


@dg.asset(
    key=["shop", "events"],
    partitions_def=DAILY,
    code_version="7",
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def events(context: dg.AssetExecutionContext, lakehouse: LakehouseResource) -> dg.MaterializeResult:
    """One row per day, as the tests need it."""
    window = context.partition_time_window
    days = DayRange(window.start.date(), window.end.date())
    dates = pl.date_range(days.first, days.end, closed="left", eager=True).alias("event_date")
    frame = dates.to_frame().with_columns(amount=pl.lit(1.0))
    commit = CommitInfo(run_id=context.run.run_id, code_version="7")
    written = lakehouse.tables.write("shop", "events", frame, days=days, commit=commit)
    return dg.MaterializeResult(data_version=dg.DataVersion(str(written.version)))


def materialize(lakehouse: LakehouseResource, instance: dg.DagsterInstance, first: str, last: str):
    resources = {"lakehouse": lakehouse}
    return dg.materialize([events], instance=instance, resources=resources, tags=day_range_tags(first, last))


def test_a_backfill_in_one_run_is_one_commit_that_names_the_run(tmp_path: Path) -> None:
    lakehouse = LakehouseResource(tables_uri=str(tmp_path))
    with dg.instance_for_test() as instance:
        result = materialize(lakehouse, instance, "2018-04-02", "2018-04-05")
    assert result.success
    assert lakehouse.tables.day_counts("shop", "events").rows() == [
        (date(2018, 4, 2) + timedelta(days=number), 1) for number in range(4)
    ]
    (commit,) = lakehouse.tables.history("shop", "events")
    assert (commit["run_id"], commit["code_version"]) == (result.run_id, "7")


def test_running_again_keeps_the_data_version_of_each_partition(tmp_path: Path) -> None:
    lakehouse = LakehouseResource(tables_uri=str(tmp_path))
    key = dg.AssetKey(["shop", "events"])
    versions = []
    with dg.instance_for_test() as instance:
        for first, last in (
            ("2018-04-01", "2018-04-02"),
            ("2018-04-03", "2018-04-03"),
            ("2018-04-01", "2018-04-02"),
        ):
            (materialization, *_) = materialize(
                lakehouse, instance, first, last
            ).asset_materializations_for_node(key.to_python_identifier())
            versions.append((materialization.tags or {})["dagster/data_version"])
    assert versions == ["0", "1", "0"]


def test_storage_options_reach_the_tables_and_are_not_shown(tmp_path: Path) -> None:
    lakehouse = LakehouseResource(
        tables_uri=str(tmp_path), storage_options={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    )
    assert lakehouse.tables.storage_options == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert "127.0.0.1" not in repr(lakehouse.tables)
