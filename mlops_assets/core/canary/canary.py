"""A canary as it is judged: which versions, its steps so far, and its requests, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.routing import BUCKETS, Draw
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
    """Two versions that answer side by side, and the steps so far, oldest first, the last one standing.

    The share never falls from one step to the next. A step with a larger share than the one before is an experiment of
    its own: of the entities that the challenger has not answered yet, the hash draws those that it answers from now on.
    """

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

    plans: any of the product's plans, in any order, the newest among them. A missing one ends the canary's past, and so
    does a share that was lowered: nobody is left then whom the challenger begins to answer, and it is judged anew.
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
        if steps and plan.other.percent > steps[0].percent:
            break
        steps.insert(0, Step(plan.sequence, plan.other.percent, plan.since))
    return Canary(product, *arms, tuple(steps))


def comparable(observations: pl.DataFrame, canary: Canary, *, warm_up: timedelta) -> pl.DataFrame:
    """Keep the requests of the canary's steps, in the order of arrival, with `step`, the experiment that each belongs
    to, `percent`, the challenger's share of the entities in it, and `is_compared`.

    Compared are, in each experiment, the entities that the challenger answered in none before. Who of them has which
    arm is drawn anew, whatever they did before, so that a difference that chance has made is not counted again.

    Left out: requests of other plans, requests in a step's warm-up, what the champion answered in the place of a
    challenger that failed, and requests that are sent again: judged is the first attempt, whether it failed or not.

    Raises: MonitoringError when a column is missing.
    """
    missing = [name for name in OBSERVATIONS if name not in observations.columns]
    if missing:
        raise MonitoringError(f"observations of {canary.product} have no column {', '.join(missing)}")
    begins = _experiments(canary).with_columns(pl.col("since") + warm_up)
    rows = (
        observations.select(list(OBSERVATIONS))
        .join(begins, on="plan_sequence", how="inner")
        .filter(pl.col("received_at") >= pl.col("since"))
        .sort(pl.col("is_challenger").not_(), "received_at", pl.col("has_failed").not_())
        .unique(subset=["plan_sequence", "event_id"], keep="first", maintain_order=True)
        .sort("received_at", "event_id")
        .drop("since")
    )
    draw = Draw(canary.product, canary.challenger)
    entities = rows.filter(pl.col("first_bucket") > 0)["entity"].unique()
    buckets = pl.DataFrame(
        {"entity": entities, "bucket": [draw.bucket(entity) for entity in entities]},
        schema={"entity": pl.String, "bucket": pl.Int64},
    )
    return (
        rows.join(buckets, on="entity", how="left", maintain_order="left")
        .with_columns(is_compared=pl.col("bucket").fill_null(0) >= pl.col("first_bucket"))
        .drop("bucket", "first_bucket")
    )


def _experiments(canary: Canary) -> pl.DataFrame:
    """One row per plan: the experiment that it belongs to, from which bucket on entities take part in it, and which
    share of those the challenger answers.
    """
    rows, earlier, step = [], 0, 0
    for index, plan in enumerate(canary.steps):
        if index and plan.percent > canary.steps[index - 1].percent:
            earlier, step = canary.steps[index - 1].percent, index
        percent = 100 if earlier == 100 else round(100 * (plan.percent - earlier) / (100 - earlier))
        rows.append((plan.sequence, plan.since, step, percent, earlier * BUCKETS // 100))
    schema = {
        "plan_sequence": pl.Int64,
        "since": UTC_TIME,
        "step": pl.Int64,
        "percent": pl.Int64,
        "first_bucket": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _arms(plan: ReleasePlan) -> tuple[int, int] | None:
    other = plan.other
    if other is None or other.role != "challenger":
        return None
    return plan.champion.version, other.version
