"""What is said to people about an alert: one message per change, the same for every sink."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.core.declared.alerts import Severity
from mlops_assets.core.free_text import harmless
from mlops_assets.core.masking import masked

FORMAT = 1
"""Of the JSON that a webhook gets."""
MAXIMUM_TEXT = 600
"""Characters of a subject or a reason."""
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the least to the greatest."""
Kind = Literal["opened", "worse", "reminder", "resolved", "test"]
_WORDS: dict[Kind, str] = {
    "opened": "",
    "worse": "worse: ",
    "reminder": "still open: ",
    "resolved": "resolved: ",
    "test": "test: ",
}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. It has names, numbers of verdicts and links; never a row, a value of one, or an error's message."""

    id: str
    """The same however often it is sent: a receiver drops what it has already."""
    alert_id: str
    """The same for all messages of an alert, from its opening to its end."""
    kind: Kind
    product: str
    """Empty for what is of no single product."""
    rule: str
    subject: str
    severity: Severity
    reason: str
    """One sentence."""
    opened_at: datetime
    at: datetime
    """When it was found, UTC."""
    value: float | None = None
    limit: float | None = None
    window: str = ""
    """The window that it is about; empty where there is none."""
    runbook: str = ""
    link: str = ""
    sinks: tuple[str, ...] | None = None
    """Where its rule sends it; None for every sink that takes it. Not part of what is sent."""

    @property
    def title(self) -> str:
        """One line that says what it is about, without a character that is not shown."""
        whose = f"{self.product}: " if self.product else ""
        return one_line(f"[{self.severity}] {_WORDS[self.kind]}{whose}{self.rule}: {self.subject}")

    @property
    def facts(self) -> dict[str, str]:
        """The rest by name, for people; what is not known is left out."""
        numbers = {"value": self.value, "limit": self.limit}
        told = {name: f"{number:.6g}" for name, number in numbers.items() if number is not None}
        told |= {"window": self.window, "since": f"{self.opened_at:%Y-%m-%d %H:%M} UTC"}
        told |= {"runbook": self.runbook, "link": self.link, "id": self.id}
        return {name: one_line(text) for name, text in told.items() if text}

    def to_json(self) -> dict[str, Any]:
        """Return what a webhook gets, as plain JSON values."""
        return {
            "format": FORMAT,
            "id": self.id,
            "alert_id": self.alert_id,
            "kind": self.kind,
            "title": self.title,
            "product": self.product,
            "rule": self.rule,
            "subject": one_line(self.subject),
            "severity": self.severity,
            "reason": one_line(self.reason),
            "value": self.value,
            "limit": self.limit,
            "window": self.window,
            "opened_at": self.opened_at.isoformat(),
            "at": self.at.isoformat(),
            "runbook": self.runbook,
            "link": self.link,
        }


def one_line(text: str) -> str:
    """Return the text in one line of at most MAXIMUM_TEXT characters: all are shown, and credentials in it are not."""
    shown = harmless(" ".join(masked(text).split()))
    return shown if len(shown) <= MAXIMUM_TEXT else f"{shown[: MAXIMUM_TEXT - 1]}…"
