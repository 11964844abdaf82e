"""Lists what stands and waits of alerts, tries a sink, delivers now, and closes: what `mlops alerts` does."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from mlops_assets.commands.plain_text import plain
from mlops_assets.core.alerts.declared_sinks import alert_sinks
from mlops_assets.core.alerts.delivery import Attempt
from mlops_assets.core.alerts.desk import AlertDesk
from mlops_assets.core.alerts.lifecycle import Condition
from mlops_assets.core.alerts.message import Message, one_line
from mlops_assets.core.alerts.outbox import FILE, LOCK, Outbox
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets.core.alerts.standing import AlertStanding
from mlops_assets.core.errors import AlertError
from mlops_assets.core.free_text import require_plain
from mlops_assets.core.release.words import shown
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.one_at_a_time import only_one


def alert_standing(settings: Settings) -> AlertStanding:
    """Read how alerts stand, or why that cannot be read; nothing is written."""
    try:
        return AlertStanding.read(Outbox(settings.home / FILE))
    except AlertError as error:
        return AlertStanding(unreadable=str(error))


def try_sink(settings: Settings, environ: Mapping[str, str], sink: str, *, now: datetime) -> Outcome:
    """Send a message that says that it is a test to one sink, once; nothing of it is kept.

    Raises: AlertError for a sink that is not there, or when the sinks cannot be read.
    """
    sinks = alert_sinks(settings, environ).sinks
    if sink not in sinks:
        raise AlertError(f"no sink {sink}: this home has {', '.join(sinks)}")
    name = f"test-{uuid.uuid4().hex}"
    message = Message(
        id=f"{name}.1",
        alert_id=name,
        kind="test",
        product="",
        rule="test",
        subject=sink,
        severity="info",
        reason="this is a test of the sink: nothing is wrong, and there is nothing to do",
        opened_at=now,
        at=now,
        runbook="docs/how-to/route-alerts.md",
    )
    return sinks[sink].send(message)


def send_alerts(
    settings: Settings, environ: Mapping[str, str], *, clock: Callable[[], datetime]
) -> tuple[Attempt, ...]:
    """Try everything that waits now, without waiting for pauses.

    Raises: AlertError when the outbox or the sinks cannot be read; PlatformError while another process delivers.
    """
    desk = AlertDesk(Outbox(settings.home / FILE), alert_sinks(settings, environ))
    if not desk.outbox.file.exists():
        return ()
    with only_one(settings.home / LOCK, what="the delivery of alerts"):
        return desk.deliver(clock=clock, waits_for_pauses=False)


def close_alert(
    settings: Settings, environ: Mapping[str, str], alert_id: str, *, by: str, reason: str, now: datetime
) -> Message:
    """End an open alert by a person's word; the sinks that know of it are told who and why.

    settings, environ: of the home. alert_id: at least the first eight characters of it. by, reason: one line each. now:
    UTC.

    Returns what they are told. Raises: AlertError when no alert, or several, begin with that; ConfigurationError for
    words of several lines.
    """
    desk = AlertDesk(Outbox(settings.home / FILE), alert_sinks(settings, environ))
    who, why = require_plain(by, what="--by", maximum=200), require_plain(reason, what="--reason")
    found = [one for one in desk.outbox.open_alerts().values() if one.id.startswith(alert_id)]
    if len(found) != 1 or len(alert_id) < 8:
        raise AlertError(
            f"{alert_id!r} names {len(found)} open alerts: take an id of `mlops alerts list`, 8 characters or more"
        )
    ended = Condition(key=found[0].key, state="clear", reason=f"closed by {who}: {why}")
    return desk.record([ended], now=now)[0]


def print_standing(standing: AlertStanding, *, now: datetime, console: Console) -> None:
    """Print a row per open alert and per message that waits, and what keeps people from being told."""
    if standing.open_alerts:
        table = Table("alert", "severity", "about", "since", "why")
        for one in standing.open_alerts:
            about = " ".join(filter(None, (one.key.product, f"{one.key.rule}: {one_line(one.key.subject)}")))
            why = plain(one_line(one.told.reason))
            table.add_row(one.id[:12], one.told.severity, plain(about), shown(one.opened_at), why)
        console.print(table)
    else:
        console.print("no alert is open")
    if standing.waiting:
        table = Table("waits for", "message", "attempts", "last answer")
        for one in standing.waiting:
            table.add_row(
                plain(one.sink), plain(one.message.title), str(one.attempts), plain(one.remark) or "–"
            )
        console.print(table)
    for problem in standing.problems(now=now):
        console.print(plain(problem), style="yellow", soft_wrap=True, highlight=False)


def attempts_json(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Return attempts as plain JSON values."""
    return [
        {
            "sink": one.sink,
            "message_id": one.message_id,
            "state": one.outcome.state,
            "remark": one.outcome.remark,
        }
        for one in attempts
    ]
