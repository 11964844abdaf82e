"""The performance report as findings."""

import polars as pl

from mlops_assets.core.monitoring.quality.performance import performance_findings

ROW = {
    "metric": "auc", "title": "area under the ROC curve", "value": 0.81, "low": 0.78, "high": 0.84,
    "reference_value": 0.85, "limit": 0.80, "window_verdict": "inconclusive",
}  # fmt: skip


def test_the_primary_metric_is_told_with_its_numbers() -> None:
    rows = pl.DataFrame([ROW, {**ROW, "metric": "brier", "limit": None}])
    (finding,) = performance_findings(rows, primary="auc")
    assert (finding.topic, finding.subject, finding.state) == ("performance", "auc", "inconclusive")
    assert (finding.value, finding.low, finding.high) == (0.81, 0.78, 0.84)
    assert (finding.expected, finding.limit) == (0.85, 0.80)
    assert finding.reason == (
        "area under the ROC curve is 0.810 [0.780, 0.840], on the champion's test rows 0.850: inconclusive"
    )


def test_degraded_alarms_and_what_has_no_value_says_so() -> None:
    rows = pl.DataFrame([{**ROW, "window_verdict": "degraded"}])
    assert performance_findings(rows, primary="auc")[0].state == "alarm"
    nothing = {**ROW, "value": None, "low": None, "high": None, "reference_value": None}
    (finding,) = performance_findings(pl.DataFrame([nothing], infer_schema_length=None), primary="auc")
    assert finding.reason == "area under the ROC curve has no value: inconclusive"
    assert performance_findings(rows.clear(), primary="auc") == ()
