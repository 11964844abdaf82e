"""What a monitor of a product's own says, as findings."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from numbers import Real

from mlops_assets.core.declared.monitors import Observation
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.free_text import require_plain
from mlops_assets.core.monitoring.finding import Finding, State

MOST_OBSERVATIONS = 200
"""Of one monitor in one window: each may be an alert of its own, and a line of the window's page."""
_LONGEST_SUBJECT, _LONGEST_REASON = 100, 500


def findings_of_observations(name: str, said: object) -> list[Finding]:
    """Return the findings of what a monitor returned, in its order.

    Numbers that are not finite count as unknown.

    Raises: MonitoringError when that is no Observation and no iterable of them, there are too many, two speak of the
    same subject, or one has something else than numbers, or a limit that is none; ConfigurationError for text that is
    long or not plain.
    """
    found: dict[str, Finding] = {}
    for one in islice(_each(said), MOST_OBSERVATIONS + 1):
        finding = _finding(name, one)
        if finding.subject in found:
            raise MonitoringError(f"it speaks of {finding.subject} twice")
        found[finding.subject] = finding
    if len(found) > MOST_OBSERVATIONS:
        raise MonitoringError(f"it says more than {MOST_OBSERVATIONS} things of a window")
    return list(found.values())


def _each(said: object) -> Iterator[Observation]:
    for one in said if isinstance(said, Iterable) else [said]:
        if not isinstance(one, Observation):
            raise MonitoringError(f"it returns {type(one).__name__}, not Observation")
        yield one


def _finding(name: str, said: Observation) -> Finding:
    one = _cleaned(said)
    subject = f"{name}: {one.subject}" if one.subject and one.subject != name else name
    state = _state(one)
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
        limit=one.below if one.above is None else one.above,
        partition=None if one.day is None else one.day.isoformat(),
    )


def _cleaned(said: Observation) -> Observation:
    low, high = _number(said.low), _number(said.high)
    is_known = (low is None) == (said.low is None) and (high is None) == (said.high is None)
    return replace(
        said,
        value=_number(said.value) if is_known else None,
        low=low if is_known else None,
        high=high if is_known else None,
        above=_limit(said.above),
        below=_limit(said.below),
        expected=_number(said.expected),
        subject=require_plain(said.subject, what="its subject", maximum=_LONGEST_SUBJECT),
        reason=require_plain(said.reason, what="its reason", maximum=_LONGEST_REASON),
        day=said.day.date() if isinstance(said.day, datetime) else said.day,
    )


def _number(given: object) -> float | None:
    """A number of Python, NumPy or Polars; None where it is unknown."""
    if given is None:
        return None
    if not isinstance(given, Real):
        raise MonitoringError(f"it gives {type(given).__name__} where a number is needed")
    return float(given) if math.isfinite(given) else None


def _limit(given: object) -> float | None:
    limit = _number(given)
    if given is not None and limit is None:
        raise MonitoringError(f"its limit is {given}")
    return limit


def _state(one: Observation) -> State:
    low, high = (one.value if end is None else end for end in (one.low, one.high))
    if one.value is None or low is None or high is None or low > high:
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
    side, limit = ("above", one.above) if one.above is not None else ("below", one.below)
    told = f"{subject} is {one.value:.4g}{interval}{usual}"
    return told if limit is None else f"{told}; {side} {limit:.4g} alarms"
