"""The judgement on the canary that stands, from the release record, the lakehouse and the online store as they are."""

from dataclasses import dataclass
from datetime import datetime

from mlops_assets.core.canary.canary import Canary, standing_canary
from mlops_assets.core.canary.evidence import read_observations
from mlops_assets.core.canary.judge import Judgement, judge
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl

NOT_ASKED = {
    "latency": "the champion answered too few requests before this canary; release.judge.latency_limit_seconds sets a "
    "limit",
    "score": "a version lacks its threshold or training set in the registry, or its features in that training set",
}


@dataclass(frozen=True)
class StandingCanary:
    """A canary and the judgement on it."""

    canary: Canary
    judgement: Judgement
    not_asked: dict[str, str]
    """Topic to why nothing is asked about it."""


def find_canary(product: str, control: ReleaseControl) -> Canary | None:
    """Return the canary of the plan that stands, or None."""
    record = control.record(product)
    standing = record.standing
    if standing is None or standing.other is None or standing.other.role != "challenger":
        return None
    return standing_canary(product, record.plans)


def find_ended_canary(product: str, control: ReleaseControl) -> Canary | None:
    """Return the newest canary, which has ended; None where one stands, or there was none."""
    plans = sorted(control.record(product).plans, key=lambda plan: plan.sequence)
    for count in range(len(plans), 0, -1):
        canary = standing_canary(product, plans[:count])
        if canary is not None:
            return canary if count < len(plans) else None
    return None


def judge_standing(
    spec: ProductSpec,
    canary: Canary,
    *,
    reference: Reference,
    tables: DeltaTables,
    store: OnlineStore | None,
    now: datetime,
) -> StandingCanary:
    """Judge the canary on what is known at `now`; nothing is written.

    reference: `evidence.read_reference`, the same at every look. Raises: OnlineStoreError when the store does
    not answer.

    spec: the product's declaration, with the judge's policy. tables: the lakehouse. store: where records wait; None
    leaves them out.
    """
    judgement = judge(
        read_observations(spec, canary, tables=tables, store=store, now=now),
        canary=canary,
        reference=reference,
        policy=spec.release.judge,
        cost=spec.evaluation.cost,
        now=now,
    )
    topics = {answer.question.topic for answer in judgement.answers}
    not_asked = {topic: why for topic, why in NOT_ASKED.items() if topic not in topics}
    return StandingCanary(canary, judgement, not_asked)
