"""Calibration: whether the mean prediction is as far from the observed rate as on the champion's test rows."""

from collections.abc import Mapping

import polars as pl

from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.promise import CALIBRATION_SHARE, chance_of_column, widening
from mlops_assets.core.monitoring.quality.difference import Allowance, Measured, judge_difference
from mlops_assets.core.product_spec import Monitoring

METRIC = "calibration_bias"


def calibration_findings(
    rows: pl.DataFrame,
    *,
    allowed: float | None,
    confidence: float,
    monitoring: Monitoring,
    days_between: int = 1,
) -> tuple[Finding, ...]:
    """Judge the calibration bias of a window of outcomes; nothing where no outcome was known.

    What counts is the difference to the bias on the champion's test rows, as `judge_difference` judges it.

    rows: of the performance report, of one window. allowed: what the bias may differ by; None where the reference tells
    too little. confidence: of the report's intervals. monitoring: least rows and the promise. days_between: one report
    and the next.
    """
    chosen = rows.filter(pl.col("metric") == METRIC)
    return tuple(
        _judged(row, allowed, confidence=confidence, monitoring=monitoring, days_between=days_between)
        for row in chosen.iter_rows(named=True)
    )


def _judged(
    row: Mapping[str, float | None],
    allowed: float | None,
    *,
    confidence: float,
    monitoring: Monitoring,
    days_between: int,
) -> Finding:
    value, low, high, usual = (row[name] for name in ("value", "low", "high", "reference_value"))
    found = Finding(
        topic="calibration", subject=METRIC, state="inconclusive", reason="", value=value, low=low, high=high,
        expected=usual,
    )  # fmt: skip
    known = int(row["rows"] or 0)
    if known < monitoring.minimum_rows:
        return _said(found, "inconclusive", f"{known} outcomes are known, {monitoring.minimum_rows} needed")
    if value is None or low is None or high is None or usual is None or allowed is None:
        return _said(found, "inconclusive", "the outcomes, or the champion's test rows, are too few for it")
    least, most = row["reference_low"], row["reference_high"]
    then = Measured(usual, usual if least is None else least, usual if most is None else most)
    chance = chance_of_column(
        per_quarter=monitoring.false_alarms_per_quarter,
        columns=1,
        days_between=days_between,
        share=CALIBRATION_SHARE,
    )
    allowance = Allowance(allowed, 0, widening(confidence=confidence, chance=chance))
    now = Measured(value, low, high)
    told = (
        f"predictions are {value:+.4f} off the observed rate on average [{low:+.4f}, {high:+.4f}], on the champion's "
        f"test rows {usual:+.4f}; {allowed:.4f} more or less is allowed"
    )
    state = judge_difference(now, then, allowance)
    told = f"{told}: the interval reaches over it" if state == "inconclusive" else told
    return _said(found, state, told, limit=allowance.limit(now, then))


def _said(found: Finding, state: State, reason: str, *, limit: float | None = None) -> Finding:
    return Finding(
        topic=found.topic, subject=found.subject, state=state, reason=reason, value=found.value, low=found.low,
        high=found.high, expected=found.expected, limit=limit, cause="changed" if state == "alarm" else None,
    )  # fmt: skip
