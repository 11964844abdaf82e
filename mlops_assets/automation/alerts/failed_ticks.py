"""Sensors and schedules whose tick raised, as conditions of alerts."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.core.alerts.lifecycle import Condition, Key

if TYPE_CHECKING:
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick

TICK_FAILURE = "tick_failure"
"""Rule of the alert about a sensor or a schedule; its subject is the name."""
RUNBOOK = "docs/how-to/route-alerts.md#tick-failure"
NEWS = timedelta(days=2)
"""What failed before is of a sensor that is no more, or known."""
MAXIMUM_TICKS = 100
"""Of one sensor or schedule that one look reads, the newest ones."""


def tick_conditions(
    instance: dg.DagsterInstance, seen: Mapping[str, int], *, now: datetime, ui_url: str
) -> tuple[tuple[Condition, ...], dict[str, int]]:
    """Say of every sensor and schedule whether its latest ticks raised, and return how far they were read.

    `seen` is the newest tick that was read, by sensor or schedule; of one that was not read yet only its newest counts,
    where it is not older than NEWS at `now`. One that is switched off is clear.
    """
    found: list[Condition] = []
    read = dict(seen)
    for state in instance.all_instigator_state():
        key = Key(state.name.partition("__")[0] if "__" in state.name else "", TICK_FAILURE, state.name)
        if state.status.value == "STOPPED":
            found.append(Condition(key=key, state="clear", reason="it is switched off"))
            continue
        for tick in _new_ticks(instance, state, after=seen.get(state.selector_id), now=now):
            read[state.selector_id] = int(tick.tick_id)
            found.append(_condition(key, tick, link=f"{ui_url}/automation"))
    return tuple(found), read


def parse_seen(text: str | None) -> dict[str, int]:
    """Read how far ticks were read, as `shown_seen` wrote it."""
    return json.loads(text) if text else {}


def shown_seen(seen: Mapping[str, int]) -> str:
    """Return how far ticks were read, as it is kept."""
    return json.dumps(seen)


def _new_ticks(
    instance: dg.DagsterInstance, state: "InstigatorState", *, after: int | None, now: datetime
) -> list["InstigatorTick"]:
    """The finished ticks after one, oldest first; without one the newest alone."""
    ticks = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        after=(now - NEWS).timestamp(),
        limit=MAXIMUM_TICKS if after is not None else 2,
    )
    # One that was started and is not the newest was killed: a sensor has its ticks one after the other.
    ended = [tick for tick in reversed(ticks) if tick.status.value != "STARTED"]
    return [tick for tick in ended if int(tick.tick_id) > after] if after is not None else ended[-1:]


def _condition(key: Key, tick: "InstigatorTick", *, link: str) -> Condition:
    if not tick.is_failure:
        return Condition(key=key, state="clear", reason="its newest tick did not raise")
    error = tick.error
    own = error.cause if error is not None and error.cause is not None else error
    what = (own.cls_name if own else None) or "an error that was not recorded"
    return Condition(
        key=key,
        state="firing",
        reason=f"its tick raised {what}",
        severity="critical",
        runbook=RUNBOOK,
        link=link,
    )
