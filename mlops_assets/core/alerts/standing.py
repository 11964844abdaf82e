"""How alerts stand in a home: what is open, what waits for which sink, and what keeps people from being told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlops_assets.core.alerts.delivery import DOWN_AFTER
from mlops_assets.core.alerts.lifecycle import OpenAlert
from mlops_assets.core.alerts.message import one_line
from mlops_assets.core.alerts.outbox import LOOKED_AT, Outbox, SinkHealth, Waiting

LATE_AFTER = timedelta(minutes=10)
"""The sensor looks every half minute; where it did not for so long, nobody is told of anything."""


@dataclass(frozen=True)
class AlertStanding:
    """What the outbox of a home says."""

    open_alerts: tuple[OpenAlert, ...] = ()
    """The newest first."""
    waiting: tuple[Waiting, ...] = ()
    """The oldest first."""
    health: Mapping[str, SinkHealth] = field(default_factory=dict)
    looked_at: datetime | None = None
    """When everything was last looked at; None where it never was."""
    unreadable: str = ""
    """Why the outbox cannot be read; the rest is then empty."""

    @classmethod
    def read(cls, outbox: Outbox) -> "AlertStanding":
        """Read the outbox; one that is not there is not made.

        Raises: AlertError when it cannot be read.
        """
        looked_at = outbox.notes().get(LOOKED_AT)
        return cls(
            tuple(sorted(outbox.open_alerts().values(), key=lambda one: one.opened_at, reverse=True)),
            outbox.waiting(),
            {one.sink: one for one in outbox.health()},
            datetime.fromisoformat(looked_at) if looked_at else None,
        )

    def problems(self, *, now: datetime) -> Iterator[str]:
        """Say what keeps people from being told, one sentence each."""
        if self.unreadable:
            yield self.unreadable
        if self.looked_at is not None and now - self.looked_at > LATE_AFTER:
            since = f"{self.looked_at:%Y-%m-%d %H:%M} UTC"
            yield f"nobody looked since {since}: the sensor `alerts`, or Dagster's daemon, does not run"
        # What waits for its first attempt is on its way.
        late = (one for one in self.waiting if one.attempts or now - one.message.at > LATE_AFTER)
        counts = Counter(one.sink for one in late)
        for sink in sorted({*counts, *self.health}):
            health, count = self.health.get(sink), counts[sink]
            waits = (
                f"{count:,} {'message waits' if count == 1 else 'messages wait'} for sink {sink}"
                if count
                else ""
            )
            if health is not None and health.since is not None and health.failed:
                is_down = " and is down" if health.failed >= DOWN_AFTER else ""
                since = f"{health.since:%Y-%m-%d %H:%M} UTC"
                waits += f", which has taken none since {since}{is_down}: {health.remark}"
            if waits:
                yield waits
            if health is not None and health.dropped:
                yield f"{health.dropped:,} messages for sink {sink} were dropped, since too many waited"

    def to_json(self, *, now: datetime) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "open": [_open_json(one) for one in self.open_alerts],
            "waiting": [
                {
                    "sink": one.sink,
                    "message_id": one.message.id,
                    "title": one.message.title,
                    "attempts": one.attempts,
                    "next_at": one.next_at.isoformat(),
                    "remark": one.remark,
                }
                for one in self.waiting
            ],
            "looked_at": self.looked_at.isoformat() if self.looked_at else None,
            "problems": list(self.problems(now=now)),
        }


def _open_json(alert: OpenAlert) -> dict[str, Any]:
    told = alert.told
    return {
        "alert_id": alert.id,
        "product": told.key.product,
        "rule": told.key.rule,
        "subject": one_line(told.key.subject),
        "severity": told.severity,
        "reason": one_line(told.reason),
        "value": told.value,
        "limit": told.limit,
        "window": told.window,
        "opened_at": alert.opened_at.isoformat(),
        "told_at": alert.told_at.isoformat(),
        "runbook": told.runbook,
        "link": told.link,
    }
