"""Hands waiting messages to their sinks: each until it was taken, with growing pauses, and the oldest first."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.outbox import LONGEST_PAUSE, Outbox, SinkHealth, Waiting
from mlops_assets.core.alerts.sinks.outcome import Outcome, Sink

FIRST_PAUSE = timedelta(minutes=1)
PATIENCE_SECONDS = 20.0
"""How long a turn goes on to begin attempts; the rest waits for the next. A sensor's tick may take a minute in all."""
DOWN_AFTER = 2
"""Attempts in a row that a sink did not take before the others are told."""
SINK_DOWN = "sink_down"
"""Rule of the alert about a sink; its subject is the sink's name."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One attempt, and what came of it."""

    sink: str
    message_id: str
    outcome: Outcome


def deliver(
    outbox: Outbox,
    sinks: Mapping[str, Sink],
    *,
    clock: Callable[[], datetime],
    deadline: float,
    waits_for_pauses: bool = True,
    are_all: bool = True,
) -> tuple[Attempt, ...]:
    """Try what is due once, and note what came of it.

    outbox, sinks: what waits, and for whom. clock: the wall clock, UTC. deadline: on the monotonic clock; no attempt
    begins after it. waits_for_pauses: without, everything that waits is due. are_all: whether a sink that is not among
    `sinks` is none; without, what waits for others is left alone.

    Sinks take turns, so that a slow one holds up no other; one that is down is not asked again. One process at a time
    does this: two would send a message twice.
    """
    due = _due(outbox, now=clock() if waits_for_pauses else None)
    due = {name: own for name, own in due.items() if are_all or name in sinks}
    attempts: list[Attempt] = []
    while due:
        for name, own in list(due.items()):
            if time.monotonic() > deadline:
                logger.info("alerts: the rest waits for the next turn")
                return tuple(attempts)
            one = own.pop(0)
            outcome = _attempt(one, sinks.get(name), outbox=outbox, clock=clock)
            attempts.append(Attempt(name, one.message.id, outcome))
            if not own or outcome.state == "down":
                del due[name]
    return tuple(attempts)


def pause_after(attempts: int, *, asked: float | None = None) -> timedelta:
    """Return how long to wait after so many failed attempts: a minute, doubled each time, at most an hour.

    `asked` is what the sink asked for, in seconds; it counts up to the longest pause.
    """
    grown = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 10))
    return min(LONGEST_PAUSE, max(grown, timedelta(seconds=asked or 0)))


def sink_conditions(health: Sequence[SinkHealth]) -> tuple[Condition, ...]:
    """Say of every sink that ever failed whether it is down: what the others are told, once until it works again."""
    return tuple(_sink_condition(one) for one in health)


def _due(outbox: Outbox, *, now: datetime | None) -> dict[str, list[Waiting]]:
    """What is due by sink, the oldest first; everything when `now` is None."""
    paused = {one.sink: one.next_at for one in outbox.health()}
    due: dict[str, list[Waiting]] = {}
    for one in outbox.waiting():
        if now is None or (_is_over(one.next_at, now) and _is_over(paused.get(one.sink), now)):
            due.setdefault(one.sink, []).append(one)
    return due


def _is_over(pause: datetime | None, now: datetime) -> bool:
    return pause is None or pause <= now or pause > now + LONGEST_PAUSE


def _attempt(one: Waiting, sink: Sink | None, *, outbox: Outbox, clock: Callable[[], datetime]) -> Outcome:
    outcome = sink.send(one.message) if sink else Outcome("down", "no sink of this name is configured")
    if outcome.state == "delivered":
        outbox.delivered(one, now=clock(), remark=outcome.remark)
        if outcome.remark:
            logger.error("sink %s took alert %s, but: %s", one.sink, one.message.id, outcome.remark)
        return outcome
    at = clock()
    pause = pause_after(one.attempts + 1, asked=outcome.retry_after)
    is_down = outcome.state == "down"
    outbox.failed(one, now=at, next_at=at + pause, remark=outcome.remark, is_down=is_down)
    minutes = pause.total_seconds() / 60
    told = "sink %s did not take alert %s (%s); it is tried again in %.0f minutes"
    logger.error(told, one.sink, one.message.id, outcome.remark, minutes)
    return outcome


def _sink_condition(health: SinkHealth) -> Condition:
    key = Key("", SINK_DOWN, health.sink)
    if health.failed >= DOWN_AFTER and health.since is not None:
        told = f"it takes no alert since {health.since:%Y-%m-%d %H:%M} UTC ({health.remark}); they wait in the outbox"
        return Condition(
            key=key, state="firing", reason=told, runbook="docs/how-to/route-alerts.md#a-sink-is-down"
        )
    if health.failed:
        return Condition(key=key, state="unknown", reason=health.remark)
    return Condition(key=key, state="clear", reason="it takes alerts again")
