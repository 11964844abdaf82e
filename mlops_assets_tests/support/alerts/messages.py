"""Findings, conditions and messages to try alerts with."""

from datetime import UTC, datetime
from typing import Any

from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.message import Message
from mlops_assets.core.monitoring.finding import Finding

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = Key("fraud_detection", "drift", "amount_usd")


def finding(**given: Any) -> Finding:
    """A finding of drift that alarms, unless something else is given."""
    usual = {"topic": "drift", "subject": "amount_usd", "state": "alarm", "reason": "it has moved"}
    return Finding(**(usual | given))


def firing(key: Key = KEY, **given: Any) -> Condition:
    """A condition that fires."""
    return Condition(key=key, state="firing", **({"reason": "it has moved", "severity": "warning"} | given))


def clear(key: Key = KEY, **given: Any) -> Condition:
    """A condition that is clear."""
    return Condition(key=key, state="clear", **({"reason": "it is as it was"} | given))


def message(**given: Any) -> Message:
    """A message about an alert that opened."""
    usual: dict[str, Any] = {
        "id": "a1b2.1",
        "alert_id": "a1b2",
        "kind": "opened",
        "product": "fraud_detection",
        "rule": "drift",
        "subject": "amount_usd",
        "severity": "warning",
        "reason": "it has moved",
        "opened_at": NOON,
        "at": NOON,
    }
    return Message(**(usual | given))
