"""What the loop reads of a window's findings."""

import pytest

from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.quality.verdict import quality_verdict

DRIFT = Finding(topic="drift", subject="amount_usd", state="alarm", cause="changed", reason="moved")
FAULT = Finding(topic="data_quality", subject="amount_usd", state="alarm", cause="broken", reason="no value")


def _estimate(state: State, subject: str = "auc") -> Finding:
    return Finding(
        topic="estimated_performance", subject=subject, state=state, reason=f"{subject} is {state}"
    )


@pytest.mark.parametrize(
    ("state", "verdict"), [("ok", "stable"), ("alarm", "degraded"), ("inconclusive", "inconclusive")]
)
def test_the_first_estimate_decides_and_gives_the_reason(state: State, verdict: str) -> None:
    said = quality_verdict([DRIFT, _estimate(state), _estimate("alarm", "cost_per_row")])
    assert (said.verdict, said.reason) == (verdict, f"auc is {state}")


def test_a_broken_source_comes_before_any_estimate() -> None:
    said = quality_verdict([_estimate("alarm"), FAULT, FAULT, FAULT, FAULT])
    assert said.verdict == "broken"
    assert said.reason.startswith("mend the source first: amount_usd, no value; amount_usd")
    assert said.reason.endswith("; and 1 more")


def test_without_an_estimate_nothing_is_claimed() -> None:
    assert quality_verdict([DRIFT]).verdict == "inconclusive"
