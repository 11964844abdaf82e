"""The asset `verdicts` on a real home: every topic has its rows, in the form that alerts read."""

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.automation.window_verdicts import read_windows
from mlops_assets.core.alerts.evidence import latest_windows
from mlops_assets.core.monitoring.finding import findings_from_frame
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome, metadata_of


def test_each_window_has_findings_of_every_topic(
    released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = released_home.copy(tmp_path_factory.mktemp("verdicts") / "home")
    result = home.materialize("verdicts", days=(LAST_DAY - timedelta(days=1), LAST_DAY))
    stored = home.read("verdicts")
    assert stored["event_date"].n_unique() == 2
    newest = stored.filter(pl.col("event_date") == LAST_DAY)
    assert {
        "drift",
        "prediction_drift",
        "data_quality",
        "performance",
        "estimated_performance",
        "calibration",
        "label_drift",
        "age",
        "parity",
    } <= set(newest["topic"])
    assert newest["champion_version"].unique().to_list() == [1]
    findings = findings_from_frame(newest)
    assert all(finding.reason for finding in findings)
    assert latest_windows(home.tables, home.product.name, ()) != ()
    again = home.materialize("verdicts", days=LAST_DAY)  # alone: made from less than both together
    assert not metadata_of(again, home.key("verdicts"))["changed"].value
    before = home.table_versions()["verdicts"]
    home.materialize("verdicts", days=LAST_DAY)
    assert home.table_versions()["verdicts"] == before
    shown = metadata_of(result, home.key("verdicts"))
    assert (shown["window_end"].value, shown["champion_version"].value) == (LAST_DAY.isoformat(), 1)
    estimate = next(one for one in findings if one.topic == "estimated_performance")
    expected = {"ok": "stable", "alarm": "degraded", "inconclusive": "inconclusive"}[estimate.state]
    is_broken = any(one.cause == "broken" for one in findings)
    assert shown["verdict"].value == ("broken" if is_broken else expected)
    with home.instance() as instance:
        read = [one for one in read_windows(instance, home.product.name) if one.report == "verdicts"]
    assert {one.window_end for one in read} == {LAST_DAY - timedelta(days=1), LAST_DAY}
    assert read[-1].verdict == shown["verdict"].value
    assert read[-1].reason == shown["reason"].value
