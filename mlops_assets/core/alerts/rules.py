"""The rules of a product, defaults included, and what a rule says of one finding."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_assets.core.declared.alerts import (
    FAILURES,
    WATCHING,
    AlertRule,
    FindingNumber,
    Severity,
    Topic,
)
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.product_spec import ProductSpec

QUALITY_FLOORS: Mapping[str, float] = {"accuracy": 0.85}
"""Least value of a primary metric that has one of its own; of others monitoring takes the champion's test value less
`monitoring.performance_drop`.
"""
LATENCY_SUBJECT = "p99_latency_ms"
LATENCY_LIMIT_MS = 200.0
RUNBOOK_PAGE = "docs/how-to/route-alerts.md"
RUN_FAILURE, CHECK_FAILURE = FAILURES
_QUALITY, _DRIFT, _LATENCY, _MONITORS = WATCHING


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule with everything that its declaration left to a default."""

    name: str
    severity: Severity
    topics: tuple[Topic, ...] = ()
    """The most trusted first; empty for a rule about runs."""
    subject: str | None = None
    number: FindingNumber = "value"
    above: float | None = None
    below: float | None = None
    alarms: int = 1
    of_windows: int = 1
    runbook: str = ""
    sinks: tuple[str, ...] | None = None

    def watches(self, finding: Finding) -> bool:
        """Whether the finding is of the rule's topics and subject."""
        return finding.topic in self.topics and self.subject in (None, finding.subject)


@dataclass(frozen=True)
class Reading:
    """What a rule says of one finding."""

    state: State
    reason: str
    value: float | None = None
    limit: float | None = None


def rules_of(spec: ProductSpec) -> tuple[Rule, ...]:
    """Return the rules that hold for the product, by name; those that are switched off are left out."""
    standing = {rule.name: rule for rule in _default_rules(spec.evaluation.primary_metric)}
    declared = spec.alerts.rules
    own = [name for name in declared if name not in standing]
    rules = standing | {name: Rule(name=name, severity="warning") for name in own}
    is_off = {name for name, rule in declared.items() if not rule.enabled}
    merged = [_merged(rule, declared.get(name)) for name, rule in rules.items() if name not in is_off]
    return tuple(sorted(merged, key=lambda rule: rule.name))


def rules_digest(rules: Sequence[Rule]) -> str:
    """Return a text that is another one when a rule is."""
    return hashlib.sha256(repr(tuple(rules)).encode()).hexdigest()


def read_finding(rule: Rule, finding: Finding) -> Reading:
    """Judge a finding that the rule watches: by the rule's own limit where it has one, else as the finding itself says.

    An interval of `value` alarms only where it lies beyond the limit as a whole. A finding that monitoring itself does
    not trust (inconclusive, and an estimate or without an interval) stays inconclusive under any limit.
    """
    limit = rule.above if rule.above is not None else rule.below
    if limit is None:
        return Reading(finding.state, finding.reason, _finite(finding.value), _finite(finding.limit))
    value = _finite(getattr(finding, rule.number))
    low, high = _bounds(finding, value, has_interval=rule.number == "value")
    state = _state(low, high, limit, is_ceiling=rule.above is not None)
    side = "above" if rule.above is not None else "below"
    if state == "alarm":
        reason = f"{rule.number} {value:.4g} of {finding.subject} is {side} {limit:g}: {finding.reason}"
    else:
        reason = finding.reason
    return Reading(state, reason, value, limit)


def _default_rules(metric: str) -> tuple[Rule, ...]:
    quality = Rule(
        name=_QUALITY,
        topics=("performance", "estimated_performance"),
        subject=metric,
        below=QUALITY_FLOORS.get(metric),
        severity="critical",
    )
    drift = Rule(name=_DRIFT, topics=("drift", "joint_drift", "prediction_drift"), severity="warning")
    latency = Rule(
        name=_LATENCY,
        topics=("service",),
        subject=LATENCY_SUBJECT,
        above=LATENCY_LIMIT_MS,
        severity="warning",
    )
    monitors = Rule(name=_MONITORS, topics=("custom",), severity="warning")
    failures = tuple(Rule(name=name, severity="critical") for name in FAILURES)
    return tuple(
        replace(rule, runbook=f"{RUNBOOK_PAGE}#{rule.name.replace('_', '-')}")
        for rule in (quality, drift, latency, monitors, *failures)
    )


def _merged(rule: Rule, declared: AlertRule | None) -> Rule:
    given = declared.model_dump(exclude_unset=True, exclude={"enabled"}) if declared else {}
    if "above" in given or "below" in given:
        given = {"above": None, "below": None} | given  # one side takes the other's place
    if given.get("runbook", rule.runbook) in (None, ""):
        given["runbook"] = rule.runbook or f"{RUNBOOK_PAGE}#a-rule-of-your-own"
    return replace(rule, **given)


def _bounds(
    finding: Finding, value: float | None, *, has_interval: bool
) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    if not has_interval:
        return value, value
    is_open = finding.low is None or finding.high is None
    if finding.state == "inconclusive" and (is_open or finding.topic == "estimated_performance"):
        return None, None
    low = value if finding.low is None else finding.low
    return low, value if finding.high is None else finding.high


def _state(low: float | None, high: float | None, limit: float, *, is_ceiling: bool) -> State:
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "inconclusive"
    beyond, within = (low > limit, high <= limit) if is_ceiling else (high < limit, low >= limit)
    return "alarm" if beyond else "ok" if within else "inconclusive"


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
