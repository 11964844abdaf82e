"""Fairness of windows in which groups are served alike, or not."""

import polars as pl
import pytest

from mlops_assets.core.monitoring.quality.fairness import (
    FairnessReport,
    fairness_findings,
    fairness_report,
    reference_groups,
)
from mlops_assets.core.monitoring.quality.group_values import measure_groups
from mlops_assets.core.product_spec import Monitoring
from mlops_assets_tests.core.monitoring.quality.group_world import EVALUATION, scored_groups

NAMES = {"label": "y", "score": "score"}


def _report(window: pl.DataFrame) -> FairnessReport:
    reference = reference_groups(scored_groups(20_000, seed=1), **NAMES, evaluation=EVALUATION)
    values = measure_groups(window, **NAMES, evaluation=EVALUATION)
    return fairness_report(values, reference, evaluation=EVALUATION, monitoring=Monitoring())


def _alarms(report: FairnessReport) -> set[tuple[str, str]]:
    return {(one.group, one.metric) for one in report.groups if one.state == "alarm"}


def test_groups_that_are_served_as_in_the_test_are_stable() -> None:
    report = _report(scored_groups(20_000, seed=2))
    assert _alarms(report) == set()
    assert report.verdict == "stable", report.reason
    assert len(report.groups) == 6


def test_a_group_that_is_ranked_worse_is_named() -> None:
    report = _report(scored_groups(20_000, seed=3, blurred=0.6))
    assert report.verdict == "degraded"
    assert ("female", "auc") in _alarms(report)
    assert ("male", "auc") not in _alarms(report)
    assert "sex female" in report.reason


def test_a_group_that_is_flagged_more_often_than_all_is_named() -> None:
    alarms = _alarms(_report(scored_groups(20_000, seed=4, flagged=0.5)))
    assert ("female", "selection_rate_difference") in alarms


def test_small_groups_say_how_many_rows_they_need() -> None:
    report = _report(scored_groups(1000, seed=5, women=0.05))
    open_ones = {one.group: one.reason for one in report.groups if one.state == "inconclusive"}
    assert "known outcomes of this group, 200 are needed" in open_ones["female"]
    unsure = _report(scored_groups(700, seed=6))
    assert any("rows can tell" in one.reason for one in unsure.groups if one.metric == "auc")


def test_findings_and_table_say_the_same() -> None:
    report = _report(scored_groups(20_000, seed=3, blurred=0.6))
    frame = report.to_frame()
    assert frame["state"][0] == "alarm"
    findings = fairness_findings(frame)
    assert {one.topic for one in findings} == {"fairness"}
    worst = next(one for one in findings if one.subject == "sex female: auc")
    assert (worst.state, worst.cause) == ("alarm", "changed")
    assert worst.expected is not None
    assert worst.limit == pytest.approx(worst.expected - Monitoring().performance_drop)
    nothing = _report(scored_groups(0, seed=0))
    assert (nothing.verdict, fairness_findings(nothing.to_frame())) == ("inconclusive", ())
