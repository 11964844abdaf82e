"""The life of an alert as a pure function: what rules say now, and what is open, become messages and what is open next.

One alert is open per product, rule and subject. It is told when it opens, again when it gets worse or has stood for
long, and once more when it is over.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from mlops_assets.core.alerts.message import SEVERITIES, Kind, Message
from mlops_assets.core.declared.alerts import Severity

WORSE_TIMES = 2.0
"""How many times as far beyond its limit a value is told again, compared with the distance that was told last."""
WORSE_SHARE = 0.1
"""Share of the limit by which it must also have moved on: twice next to nothing is no news."""


@dataclass(frozen=True, order=True)
class Key:
    """What an alert is about; at most one is open for each."""

    product: str
    rule: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is known of a key at one moment."""

    key: Key
    state: Literal["firing", "clear", "unknown"]
    """unknown leaves an open alert open, and opens none."""
    reason: str
    severity: Severity = "critical"
    value: float | None = None
    limit: float | None = None
    window: str = ""
    runbook: str = ""
    link: str = ""
    sinks: tuple[str, ...] | None = None
    remind_after: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An alert that stands, and what people were last told of it."""

    id: str
    opened_at: datetime
    told_at: datetime
    messages: int
    """How many were made of it."""
    reminders: int = 0
    """How many of them were reminders, since it opened or got worse: each waits twice as long as the one before."""
    told: Condition
    """What the latest message about its state said; a reminder says it again."""

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.told.key


@dataclass(frozen=True)
class Step:
    """What is open after a moment, and what is to be said about it, in order."""

    open_alerts: Mapping[Key, OpenAlert]
    messages: tuple[Message, ...]


def advance(
    open_alerts: Mapping[Key, OpenAlert],
    conditions: Iterable[Condition],
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> Step:
    """Take in conditions, in their order, and remind of what stands for long.

    `new_id` names an alert that opens. Without a condition, an open alert stays as it is.
    """
    standing, messages = dict(open_alerts), []
    for condition in conditions:
        alert = standing.get(condition.key)
        if condition.state == "firing":
            opened = alert is None
            if alert is None:
                alert = OpenAlert(id=new_id(), opened_at=now, told_at=now, messages=0, told=condition)
            if opened or is_worse(condition, alert.told):
                alert, message = _told(alert, condition, "opened" if opened else "worse", now=now)
                messages.append(message)
            standing[condition.key] = alert
        elif condition.state == "clear" and alert is not None:
            ended = replace(
                alert.told, reason=condition.reason, value=condition.value, window=condition.window
            )
            messages.append(_told(alert, ended, "resolved", now=now)[1])
            del standing[condition.key]
    for key, alert in standing.items():
        pause = alert.told.remind_after
        if pause is not None and now - alert.told_at >= pause * 2**alert.reminders:
            standing[key], message = _told(alert, alert.told, "reminder", now=now)
            messages.append(message)
    return Step(standing, tuple(messages))


def is_worse(now: Condition, told: Condition) -> bool:
    """Whether people should hear again: a higher severity, or a value clearly further beyond its limit.

    Clearly: at least WORSE_TIMES as far as when it was told, and further by at least WORSE_SHARE of the limit.
    """
    if SEVERITIES.index(now.severity) > SEVERITIES.index(told.severity):
        return True
    far, before = _beyond(now), _beyond(told)
    if far is None or before is None or now.limit is None:
        return False
    is_same_side = far * before > 0
    moved = abs(far) - abs(before)
    return is_same_side and abs(far) >= WORSE_TIMES * abs(before) and moved >= WORSE_SHARE * abs(now.limit)


def _beyond(condition: Condition) -> float | None:
    if condition.value is None or condition.limit is None:
        return None
    return condition.value - condition.limit


def _told(alert: OpenAlert, told: Condition, kind: Kind, *, now: datetime) -> tuple[OpenAlert, Message]:
    number = alert.messages + 1
    message = Message(
        id=f"{alert.id}.{number}",
        alert_id=alert.id,
        kind=kind,
        product=told.key.product,
        rule=told.key.rule,
        subject=told.key.subject,
        severity=told.severity,
        reason=told.reason,
        opened_at=alert.opened_at,
        at=now,
        value=told.value,
        limit=told.limit,
        window=told.window,
        runbook=told.runbook,
        link=told.link,
        sinks=told.sinks,
    )
    reminders = alert.reminders + 1 if kind == "reminder" else 0
    return replace(alert, told_at=now, messages=number, reminders=reminders, told=told), message
