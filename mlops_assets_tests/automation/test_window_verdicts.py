"""Verdicts of monitoring reports, as Dagster's event log has them."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pytest

from mlops_assets.automation.retrain_on_drift import decide
from mlops_assets.automation.window_verdicts import read_windows, reporting_run
from mlops_assets_tests.support.product_specs import FRAUD

DAY_ONE = date(2018, 8, 1)


def _day(number: int) -> date:
    return DAY_ONE + timedelta(days=number - 1)


PARTITIONS = dg.DailyPartitionsDefinition(start_date="2018-08-01", end_date="2018-10-01")


class Columns(dg.Config):
    columns: list[str]


@dg.asset(key=["fraud_detection", "drift_report"], partitions_def=PARTITIONS)
def drift_report(context: dg.AssetExecutionContext, config: Columns) -> dg.MaterializeResult:
    columns = config.columns
    return dg.MaterializeResult(
        metadata={
            "verdict": "drift" if columns else "stable",
            "window_end": context.partition_key,
            "champion_version": 1,
            "alarmed_columns": dg.MetadataValue.json(columns),
        }
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def _report(instance: dg.DagsterInstance, day: str, *columns: str) -> None:
    config = {"ops": {"fraud_detection__drift_report": {"config": {"columns": list(columns)}}}}
    assert dg.materialize([drift_report], instance=instance, partition_key=day, run_config=config).success


def test_a_partition_judged_again_counts_once_with_its_newest_verdict(instance: dg.DagsterInstance):
    _report(instance, "2018-08-01", "amount_usd")
    _report(instance, "2018-08-02", "amount_usd")
    _report(instance, "2018-08-01")
    windows = read_windows(instance, "fraud_detection")
    assert {window.window_end: window.verdict for window in windows} == {_day(1): "stable", _day(2): "drift"}
    decision = decide(windows, (), product=FRAUD.name, monitoring=FRAUD.monitoring)
    assert decision.action == "wait"
    assert decision.reason == "1 of the 2 latest windows of version 1 alarm, 2 of 3 are needed"


def test_a_materialization_reported_by_hand_is_left_out(instance: dg.DagsterInstance):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=drift_report.key, partition="2018-08-05", metadata={"rows": 1})
    )
    _report(instance, "2018-08-06", "amount_usd")
    assert [window.window_end for window in read_windows(instance, "fraud_detection")] == [date(2018, 8, 6)]


def test_a_run_that_has_not_ended_is_still_reporting(instance: dg.DagsterInstance):
    assert reporting_run(instance, "fraud_detection") is None
    _report(instance, "2018-08-01", "amount_usd")
    assert reporting_run(instance, "fraud_detection") is None
    seen: list[str | None] = []

    @dg.asset(key=["fraud_detection", "verdicts"], deps=[drift_report], partitions_def=PARTITIONS)
    def verdicts(context: dg.AssetExecutionContext) -> None:
        seen.extend([reporting_run(context.instance, "fraud_detection"), context.run.run_id])

    config = {"ops": {"fraud_detection__drift_report": {"config": {"columns": []}}}}
    assert dg.materialize(
        [drift_report, verdicts], instance=instance, partition_key="2018-08-02", run_config=config
    ).success
    assert seen[0] == seen[1] is not None
    assert reporting_run(instance, "fraud_detection") is None


def test_a_window_says_why(instance: dg.DagsterInstance):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=["fraud_detection", "verdicts"],
            partition="2018-08-05",
            metadata={
                "verdict": "degraded",
                "reason": "AUC fell",
                "window_end": "2018-08-05",
                "champion_version": 2,
            },
        )
    )
    (window,) = read_windows(instance, "fraud_detection")
    assert (window.report, window.verdict, window.reason) == ("verdicts", "degraded", "AUC fell")
    assert window.causes == {"estimated_performance"}
