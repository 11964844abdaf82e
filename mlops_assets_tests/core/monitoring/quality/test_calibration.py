"""Calibration bias of a window against the champion's test rows."""

from typing import Any

import polars as pl
import pytest

from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.quality.calibration import calibration_findings
from mlops_assets.core.product_spec import Monitoring

MONITORING = Monitoring()


def _judge(value: float | None, half: float = 0.002, *, allowed: float | None = 0.01, **row: Any) -> Finding:
    known = {} if value is None else {"low": value - half, "high": value + half}
    columns = {
        "metric": "calibration_bias", "value": value, "low": None, "high": None, **known, "reference_value": 0.002,
        "reference_low": 0.001, "reference_high": 0.003, "rows": 500, **row,
    }  # fmt: skip
    rows = pl.DataFrame([columns, {**columns, "metric": "auc"}])
    (finding,) = calibration_findings(rows, allowed=allowed, confidence=0.95, monitoring=MONITORING)
    return finding


@pytest.mark.parametrize(
    ("value", "half", "state"),
    [
        (0.002, 0.002, "ok"),
        (0.009, 0.002, "ok"),
        (-0.005, 0.002, "ok"),
        (0.011, 0.002, "inconclusive"),
        (0.002, 0.02, "inconclusive"),
        (0.03, 0.002, "alarm"),
        (-0.03, 0.002, "alarm"),
        (
            0.016,
            0.003,
            "inconclusive",
        ),  # beyond by the stated interval, and not by one that keeps the promise
    ],
)
def test_a_bias_counts_as_it_differs_from_that_of_the_test_rows(
    value: float, half: float, state: str
) -> None:
    finding = _judge(value, half)
    assert (finding.topic, finding.subject, finding.state) == ("calibration", "calibration_bias", state)
    assert finding.expected == 0.002
    assert finding.limit == pytest.approx(0.012 if value >= 0.002 else -0.008)


def test_an_uncertain_reference_widens_the_interval() -> None:
    assert _judge(0.03, 0.002).state == "alarm"
    assert _judge(0.03, 0.002, reference_low=-0.1, reference_high=0.1).state == "inconclusive"


def test_what_is_missing_is_said() -> None:
    assert _judge(0.0, rows=20).reason == "20 outcomes are known, 50 needed"
    assert _judge(0.0, allowed=None).state == "inconclusive"
    assert _judge(None).state == "inconclusive"
    nothing = pl.DataFrame(schema={"metric": pl.String})
    assert calibration_findings(nothing, allowed=0.1, confidence=0.95, monitoring=MONITORING) == ()
