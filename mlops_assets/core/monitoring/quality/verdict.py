"""All findings of a window in one word for the loop: is the quality estimated to hold, and is a source broken?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_assets.core.monitoring.finding import Finding, State

QualityVerdict = Literal["stable", "degraded", "inconclusive", "broken"]
_VERDICTS: Mapping[State, QualityVerdict] = {
    "ok": "stable",
    "alarm": "degraded",
    "inconclusive": "inconclusive",
}
_TOLD = 3


@dataclass(frozen=True)
class SaidOfWindow:
    """What the sensor that asks for retraining reads of a window's findings."""

    verdict: QualityVerdict
    reason: str


def quality_verdict(findings: Sequence[Finding]) -> SaidOfWindow:
    """Return `broken` where any finding names a broken source, else what the primary metric is estimated to do.

    findings: of one window, in any order, except that the estimate of the primary metric comes before other estimates.
    """
    broken = [one for one in findings if one.state == "alarm" and one.cause == "broken"]
    if broken:
        told = "; ".join(f"{one.subject}, {one.reason}" for one in broken[:_TOLD])
        more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
        return SaidOfWindow("broken", f"mend the source first: {told}{more}")
    estimate = next((one for one in findings if one.topic == "estimated_performance"), None)
    if estimate is None:
        return SaidOfWindow("inconclusive", "nothing was estimated")
    return SaidOfWindow(_VERDICTS[estimate.state], estimate.reason)
