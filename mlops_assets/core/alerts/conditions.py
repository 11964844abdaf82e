"""What a product's rules say of its latest windows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.rules import Reading, Rule, read_finding
from mlops_assets.core.monitoring.finding import Finding, findings_from_frame

ALL_ROWS = "all rows"
"""Name of the only window of a product without a time axis."""
DAY = "event_date"
_SWITCHED_OFF = "the rule is switched off, or is no more"
_NOT_FOUND = "monitoring speaks of it no more"


@dataclass(frozen=True)
class Window:
    """What monitoring found in one window."""

    name: str
    """Sorts as time does: a UTC day, or a UTC hour, in ISO 8601."""
    findings: tuple[Finding, ...]


def windows_from_verdicts(verdicts: pl.DataFrame) -> tuple[Window, ...]:
    """Return the windows of the table `verdicts`, the oldest first; rows are findings, by the window's last day."""
    if DAY not in verdicts.columns:
        return (Window(ALL_ROWS, findings_from_frame(verdicts)),) if verdicts.height else ()
    days = verdicts.partition_by(DAY, as_dict=True, maintain_order=True).items()
    return tuple(Window(str(day[0]), findings_from_frame(rows)) for day, rows in sorted(days))


def conditions_of(
    product: str,
    rules: Sequence[Rule],
    windows: Sequence[Window],
    *,
    open_keys: Iterable[Key],
    page_of: Callable[[str], str] = lambda _window: "",
    remind_after: timedelta | None = None,
) -> tuple[Condition, ...]:
    """Judge every subject that a rule watches in its latest windows.

    product, rules: whose rules they are. windows: in any order; a rule looks at the latest `of_windows` of those that
    have something of its topics. open_keys: alerts that stand; one of a rule or a subject that is no more is clear.
    page_of: the address of the page about a window, by its name. remind_after: when an alert that stands is said again.

    A subject fires when at least `alarms` of the windows alarm. It is clear when fewer do and the newest window says
    ok, and unknown when the newest one is inconclusive.
    """
    watching = [rule for rule in rules if rule.topics]
    standing = [key for key in open_keys if key.product == product]
    found = []
    for rule in watching:
        looked_at = _latest(rule, windows)
        if not looked_at:
            continue
        named = {one.subject for window in looked_at for one in window.findings if rule.watches(one)}
        named |= {key.subject for key in standing if key.rule == rule.name}
        for subject in sorted(named):
            key = Key(product, rule.name, subject)
            found.append(_condition(key, rule, looked_at, page_of=page_of, remind_after=remind_after))
    return (*found, *_of_rules_no_more(rules, standing))


def _latest(rule: Rule, windows: Sequence[Window]) -> list[Window]:
    told = [window for window in windows if any(rule.watches(one) for one in window.findings)]
    return sorted(told, key=lambda window: window.name)[-rule.of_windows :]


def _condition(
    key: Key,
    rule: Rule,
    windows: Sequence[Window],
    *,
    page_of: Callable[[str], str],
    remind_after: timedelta | None,
) -> Condition:
    readings = [(window.name, _reading(rule, window, key.subject)) for window in windows]
    alarming = [(name, reading) for name, reading in readings if reading and reading.state == "alarm"]
    if len(alarming) >= rule.alarms:
        name, worst = alarming[-1]
        return Condition(
            key=key,
            state="firing",
            reason=worst.reason,
            severity=rule.severity,
            value=worst.value,
            limit=worst.limit,
            window=name,
            runbook=rule.runbook,
            link=page_of(name),
            sinks=rule.sinks,
            remind_after=remind_after,
        )
    name, newest = readings[-1]
    if newest is None:
        is_gone = all(reading is None for _, reading in readings)
        return Condition(key=key, state="clear" if is_gone else "unknown", reason=_NOT_FOUND, window=name)
    state = "clear" if newest.state == "ok" else "unknown"
    return Condition(key=key, state=state, reason=newest.reason, value=newest.value, window=name)


def _reading(rule: Rule, window: Window, subject: str) -> Reading | None:
    """The first conclusive reading in the order of the rule's topics, else an inconclusive one; None without any."""
    own = [one for one in window.findings if one.subject == subject and rule.watches(one)]
    own.sort(key=lambda one: rule.topics.index(one.topic))
    readings = [read_finding(rule, one) for one in own]
    conclusive = [reading for reading in readings if reading.state != "inconclusive"]
    return next(iter(conclusive or readings), None)


def _of_rules_no_more(rules: Sequence[Rule], standing: Iterable[Key]) -> list[Condition]:
    names = {rule.name for rule in rules}
    gone = [key for key in standing if key.rule not in names]
    return [Condition(key=key, state="clear", reason=_SWITCHED_OFF) for key in gone]
