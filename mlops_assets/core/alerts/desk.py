"""Where everything that people should know comes in, and goes out to the sinks of the home."""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_assets.core.alerts.declared_sinks import AlertSinks
from mlops_assets.core.alerts.delivery import PATIENCE_SECONDS, Attempt, deliver, sink_conditions
from mlops_assets.core.alerts.lifecycle import Condition
from mlops_assets.core.alerts.message import Message
from mlops_assets.core.alerts.outbox import FILE, Outbox

OUTBOX_FAILED = "outbox_failed"
"""Rule of the message about an outbox that cannot be used, which is kept nowhere."""
CRY_EVERY_SECONDS = 3600.0
_cried: dict[Path, float] = {}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlertDesk:
    """The outbox and the sinks of a home."""

    outbox: Outbox
    sinks: AlertSinks

    def record(
        self, conditions: Iterable[Condition], *, now: datetime, notes: Mapping[str, str] | None = None
    ) -> tuple[Message, ...]:
        """Take in conditions together with `notes`; return what is to be said. See `Outbox.record`."""
        return self.outbox.record(
            conditions, now=now, new_id=lambda: uuid.uuid4().hex, route=self.sinks.route, notes=notes
        )

    def deliver(self, *, clock: Callable[[], datetime], waits_for_pauses: bool = True) -> tuple[Attempt, ...]:
        """Hand over what is due; when a sink is down, or works again, the others hear of it in the same turn."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        sinks, are_all = self.sinks.sinks, self.sinks.is_whole
        attempts = deliver(
            self.outbox,
            sinks,
            clock=clock,
            deadline=deadline,
            waits_for_pauses=waits_for_pauses,
            are_all=are_all,
        )
        health = [one for one in self.outbox.health() if are_all or one.sink in sinks]
        if self.record(sink_conditions(health), now=clock()):
            attempts += deliver(self.outbox, sinks, clock=clock, deadline=deadline, are_all=are_all)
        return attempts

    def cry(self, *, now: datetime) -> None:
        """Tell every sink at once that the outbox cannot be used: the one message that cannot wait in it.

        At most once an hour and process, under the same id within an hour of the clock; nothing is tried again.
        """
        cried = _cried.get(self.outbox.file)
        if cried is not None and time.monotonic() - cried < CRY_EVERY_SECONDS:
            return
        _cried[self.outbox.file] = time.monotonic()
        name = f"outbox-{now:%Y-%m-%dT%H}"
        message = Message(
            id=name,
            alert_id=name,
            kind="opened",
            product="",
            rule=OUTBOX_FAILED,
            subject=FILE,
            severity="critical",
            reason="the outbox of alerts cannot be used: no alert is kept or sent until it is mended",
            opened_at=now,
            at=now,
            runbook="docs/how-to/route-alerts.md#outbox-failed",
        )
        for sink, outcome in [(name, one.send(message)) for name, one in self.sinks.sinks.items()]:
            logger.error(
                "told sink %s that the outbox cannot be used: %s %s", sink, outcome.state, outcome.remark
            )
