"""A canary as it is judged: which versions, its steps so far, and its requests, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.times import UTC_TIME

OBSERVATIONS: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "entity": pl.String(),
    "is_challenger": pl.Boolean(),
    "plan_sequence": pl.Int64(),
    "received_at": UTC_TIME,
    "score": pl.Float64(),
    "decision": pl.Int8(),
    "latency_seconds": pl.Float64(),
    "has_failed": pl.Boolean(),
    "outcome": pl.Int8(),
    "outcome_known_at": UTC_TIME,
}
"""One row per request that an arm answered or failed to, in the order of arrival. Score and decision are null where the
arm failed; the outcome is null while it is not known.
"""


@dataclass(frozen=True)
class Step:
    """A release plan of the canary."""

    sequence: int
    percent: int
    """Share of the entities that the challenger answers."""
    since: datetime


@dataclass(frozen=True)
class Canary:
    """Two versions that answer side by side, and the steps so far, oldest first, the last one standing."""

    product: str
    champion: int
    challenger: int
    steps: tuple[Step, ...]

    @property
    def step(self) -> Step:
        """The step that stands."""
        return self.steps[-1]


def standing_canary(product: str, plans: Sequence[ReleasePlan]) -> Canary | None:
    """Return the canary of the newest plan, with the plans of the same two versions right before it; None without one.

    plans: any of the product's plans, in any order, the newest among them; a missing one ends the canary's past.
    """
    ordered = sorted({plan.sequence: plan for plan in plans}.values(), key=lambda plan: plan.sequence)
    if not ordered:
        return None
    arms = _arms(ordered[-1])
    if arms is None:
        return None
    steps: list[Step] = []
    for plan in reversed(ordered):
        is_next = not steps or plan.sequence == steps[0].sequence - 1
        if _arms(plan) != arms or not is_next or plan.other is None:
            break
        steps.insert(0, Step(plan.sequence, plan.other.percent, plan.since))
    return Canary(product, *arms, tuple(steps))


def comparable(observations: pl.DataFrame, canary: Canary, *, warm_up: timedelta) -> pl.DataFrame:
    """Keep the requests of the canary's steps that the arms share fairly, in the order of arrival.

    Left out: requests of other plans, requests in a step's warm-up, repeated requests, and what the champion answered
    in the place of a challenger that failed.

    Raises: MonitoringError when a column is missing.
    """
    missing = [name for name in OBSERVATIONS if name not in observations.columns]
    if missing:
        raise MonitoringError(f"observations of {canary.product} have no column {', '.join(missing)}")
    begins = pl.DataFrame(
        {
            "plan_sequence": [step.sequence for step in canary.steps],
            "percent": [step.percent for step in canary.steps],
            "begins_at": [step.since + warm_up for step in canary.steps],
        },
        schema={"plan_sequence": pl.Int64, "percent": pl.Int64, "begins_at": UTC_TIME},
    )
    return (
        observations.select(list(OBSERVATIONS))
        .join(begins, on="plan_sequence", how="inner")
        .filter(pl.col("received_at") >= pl.col("begins_at"))
        .sort(pl.col("is_challenger").not_(), "received_at")
        .unique(subset=["plan_sequence", "event_id"], keep="first", maintain_order=True)
        .sort("received_at", "event_id")
        .drop("begins_at")
    )


def _arms(plan: ReleasePlan) -> tuple[int, int] | None:
    other = plan.other
    if other is None or other.role != "challenger":
        return None
    return plan.champion.version, other.version
