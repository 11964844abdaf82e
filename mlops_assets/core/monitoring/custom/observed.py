"""What a monitor of a product's own says, as findings."""

from collections.abc import Iterable

from mlops_assets.core.declared.monitors import Observation
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.finding import Finding, State


def findings_of_observations(name: str, said: object) -> list[Finding]:
    """Return the findings of what a monitor returned, in its order.

    Raises: MonitoringError when that is no Observation and no iterable of them, or two speak of the same subject.
    """
    observed = (
        [said] if isinstance(said, Observation) else list(said) if isinstance(said, Iterable) else [said]
    )
    found: dict[str, Finding] = {}
    for one in observed:
        if not isinstance(one, Observation):
            raise MonitoringError(f"it returns {type(one).__name__}, not Observation")
        finding = _finding(name, one)
        if finding.subject in found:
            raise MonitoringError(f"it speaks of {finding.subject} twice")
        found[finding.subject] = finding
    return list(found.values())


def _finding(name: str, one: Observation) -> Finding:
    subject = f"{name}: {one.subject}" if one.subject and one.subject != name else name
    state, is_above = _state(one), one.above is not None
    limit = one.above if is_above else one.below
    return Finding(
        topic="custom",
        subject=subject,
        state=state,
        cause=None if state != "alarm" else "broken" if one.is_source_broken else "changed",
        reason=one.reason or _words(subject, one),
        value=one.value,
        low=one.low,
        high=one.high,
        expected=one.expected,
        limit=limit,
        partition=None if one.day is None else one.day.isoformat(),
    )


def _state(one: Observation) -> State:
    low, high = (one.value if end is None else end for end in (one.low, one.high))
    if one.value is None or low is None or high is None or not low <= high:  # NaN is no order
        return "inconclusive"
    if one.above is not None:
        return "alarm" if low > one.above else "ok" if high <= one.above else "inconclusive"
    if one.below is not None:
        return "alarm" if high < one.below else "ok" if low >= one.below else "inconclusive"
    return "ok"


def _words(subject: str, one: Observation) -> str:
    if one.value is None:
        return f"{subject} has no value in the window"
    interval = "" if one.low is None else f" [{one.low:.4g}, {one.high:.4g}]"
    usual = "" if one.expected is None else f", {one.expected:.4g} is usual"
    side = "above" if one.above is not None else "below"
    limit = one.above if one.above is not None else one.below
    return f"{subject} is {one.value:.4g}{interval}{usual}" + (
        "" if limit is None else f"; {side} {limit:.4g} alarms"
    )
