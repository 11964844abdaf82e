"""What a person, a job or a judge may ask of a release: decide on a version, put it into the plan, advance its trial,
roll back.

Each step is decided on the record as it stands, holds the asked version to the rules of readiness, and is one commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from mlops_assets.core.errors import RegistryError, ReleaseRefusedError
from mlops_assets.core.registry.tag_names import BENTO_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion, edited_facts
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import Decision, DecisionKind, release_readiness
from mlops_assets.core.release.hand_edits import refusal
from mlops_assets.core.release.notes import refusals_noted
from mlops_assets.core.release.plan import (
    DEFAULT_RAMP,
    Order,
    ReleasePlan,
    advance,
    release,
    rollback,
    start_canary,
    start_shadow,
)
from mlops_assets.core.release.record import Entry, ReleaseRecord, decision_entry, plan_entry

Strategy = Literal["blue_green", "canary", "shadow"]
Approval = Literal["automatic", "manual"]


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did."""

    plan: ReleasePlan
    rejected: tuple[int, ...]
    """Versions that left the plan; they are rejected, since they would be released again otherwise."""
    warnings: tuple[str, ...] = ()
    """What could not be checked, and why services may not be able to follow."""


def decide_on(
    control: ReleaseControl,
    product: str,
    version: int,
    kind: DecisionKind,
    *,
    by: str,
    reason: str,
    at: datetime,
) -> Decision:
    """Record what a person decides about a version, on its verdicts as they are; the same decision twice is one.

    An approval does not help a gate that did not pass; an override does. A rejection holds until a later decision.

    control, product: whose record. kind: what is decided. by, reason: who and why. at: UTC.

    Raises: RegistryError when there is no such version, or who or why is missing.
    """
    decision = Decision(kind, by, reason, at, control.version(product, version).evidence)

    def decided(record: ReleaseRecord) -> Sequence[Entry]:
        return () if decision in record.decisions(version) else (decision_entry(version, decision),)

    control.change(product, decided, follows_plan=False)
    return decision


def obstacles(version: ModelVersion, decisions: Sequence[Decision], *, approval: Approval) -> tuple[str, ...]:
    """Return what stands between the version and any part in a plan; empty when nothing does."""
    reasons = list(release_readiness(version, decisions, approval=approval).reasons)
    name = version.product
    if BENTO_TAG not in version.tags:
        reasons.append(f"no bento of version {version.version} answered right yet: materialize {name}/bento")
    if THRESHOLD_TAG not in version.tags or VIEW_TAG not in version.tags:
        reasons.append(f"it was not registered by {name}/model_version, so that it cannot be served")
    if edited := refusal(ReleaseRecord(name, ()), version):
        reasons.append(edited)
    return tuple(reasons)


def put_into_plan(
    control: ReleaseControl,
    version: ModelVersion,
    *,
    mode: Strategy,
    order: Order,
    approval: Approval,
    percent: int | None = None,
    ramp: tuple[int, ...] = DEFAULT_RAMP,
    under_plan: int | None = None,
) -> ReleasePlan:
    """Release the version, or start or change its trial beside the champion; return the plan that now stands.

    A plan that says so already stays. `percent` is the share of a canary, by default the ramp's first step;
    `under_plan` the sequence of the plan that the step is meant for, None: any.

    control: of whose record. mode: release, canary or shadow. order: who asks, why and when. approval: what the product
    asks for. ramp: the percentages of a canary's steps.

    Raises: ReleaseRefusedError when the version is not ready. RegistryError when there is no champion to try it
    beside, or the plan was changed meanwhile.
    """

    def decided(record: ReleaseRecord) -> ReleasePlan:
        asked = _order(order, version, record, approval=approval)
        if mode == "canary":
            return start_canary(record.standing, asked, version=version.version, percent=percent, ramp=ramp)
        if mode == "shadow":
            return start_shadow(record.standing, asked, version=version.version, ramp=ramp)
        return release(record.standing, asked, version=version.version)

    def entries(record: ReleaseRecord) -> Sequence[Entry]:
        _require_plan(record, under_plan)
        plan = decided(record)
        return () if plan == record.standing else (plan_entry(plan, _entering(record, version)),)

    with refusals_noted(control, version.product, version.version, order=order):
        return control.change(version.product, entries).plans[-1]


def advance_trial(
    control: ReleaseControl,
    product: str,
    *,
    order: Order,
    approval: Approval,
    under_plan: int | None = None,
) -> ReleasePlan:
    """Take the trial's next step: see `plan.advance`; `under_plan` as for `put_into_plan`.

    control, product: whose record. order: who asks, why and when. approval: what the product asks for.

    Raises: RegistryError when no version is on trial. ReleaseRefusedError when it is ready no more.
    """

    def entries(record: ReleaseRecord) -> Sequence[Entry]:
        _require_plan(record, under_plan)
        standing = record.standing
        if standing is None or standing.other is None:
            raise RegistryError(
                f"{product}: no version is on trial; `mlops release` starts a canary or a shadow"
            )
        version = control.version(product, standing.other.version)
        plan = advance(standing, _order(order, version, record, approval=approval))
        return (plan_entry(plan, _entering(record, version)),)

    with refusals_noted(control, product, None, order=order):
        return control.change(product, entries).plans[-1]


def roll_back(
    control: ReleaseControl,
    product: str,
    *,
    order: Order,
    to_version: int | None = None,
    under_plan: int | None = None,
) -> RolledBack:
    """Take one step back, or return to `to_version`: see `plan.rollback`; `under_plan` as for `put_into_plan`.

    Every version that leaves the plan is rejected in the same change. The version that is returned to is not judged
    anew, since it was the champion before; but one that was rejected, or deleted or edited in MLflow, does not return.
    Its facts are taken from the record: a registry that does not answer within seconds holds up no rollback, and is
    told.

    control, product: whose record. order: who asks, why and when.

    Raises: RegistryError when there is nothing to return to. ReleaseRefusedError when that version never was the
    champion, or is rejected, deleted or edited.
    """
    asked = replace(order, reason=order.reason or "rolled back")
    unchecked: dict[int, str | None] = {}

    def entries(record: ReleaseRecord) -> Sequence[Entry]:
        _require_plan(record, under_plan)
        plan = rollback(record.standing, asked, to_version=to_version)
        number = plan.champion.version
        _refuse_newcomer(number, record)
        is_known = record.has_released(number)
        target = record.released_version(number) if is_known else control.version(product, number)
        _refuse_rejected(target, record.decisions(number))
        is_entering = record.plans[-1].champion.version != number
        if is_known and is_entering and number not in unchecked:
            unchecked[number] = _refuse_changed(control, product, number)
        return (plan_entry(plan, [] if is_known else [target]), *_rejections(record, plan))

    with refusals_noted(control, product, to_version, order=asked):
        record = control.change(product, entries)
    plan, before = record.plans[-1], record.plans[-2]
    leaving = _leaving(before, plan)
    told = (unchecked.get(plan.champion.version), _another_view(record, plan.champion.version, leaving))
    return RolledBack(plan, tuple(leaving), tuple(words for words in told if words))


def _entering(record: ReleaseRecord, version: ModelVersion) -> list[ModelVersion]:
    """Return the version if it has no part in the standing plan: a trial keeps the facts with which it began."""
    standing = record.standing
    has_part = standing is not None and version.version in {arm.version for arm in standing.arms}
    return [] if has_part and record.has_released(version.version) else [version]


def _leaving(before: ReleasePlan, plan: ReleasePlan) -> list[int]:
    return sorted({arm.version for arm in before.arms} - {arm.version for arm in plan.arms})


def _rejections(record: ReleaseRecord, plan: ReleasePlan) -> list[Entry]:
    """Of the versions that leave the plan that stands."""
    leaving = _leaving(record.plans[-1], plan)
    evidence = {n: record.released_version(n).evidence for n in leaving if record.has_released(n)}
    reason = f"rolled back: {plan.reason}"
    return [
        decision_entry(n, Decision("rejected", plan.by, reason, plan.since, evidence.get(n, "")))
        for n in leaving
    ]


def _refuse_rejected(target: ModelVersion, decisions: Sequence[Decision]) -> None:
    if decisions and decisions[-1].kind == "rejected":
        raise ReleaseRefusedError(
            f"{target.product} version {target.version} was rejected by {decisions[-1].by} "
            f"({decisions[-1].reason}): approve it again, or name another version to return to"
        )


def _refuse_newcomer(number: int, record: ReleaseRecord) -> None:
    """A version that never answered everybody is released, with its gates and approval, and not returned to."""
    if number not in {plan.champion.version for plan in record.plans}:
        raise ReleaseRefusedError(
            f"{record.product} version {number} never was the champion, so that a rollback cannot return "
            "to it: release it"
        )


def _refuse_changed(control: ReleaseControl, product: str, number: int) -> str | None:
    """Return why it is not known whether the version was deleted or edited; None when it was not."""
    try:
        why = control.why_changed(product, number)
    except RegistryError as error:
        return (
            f"{error}. Whether version {number} was deleted or edited there could not be checked; MLflow shows the "
            f"rollback once it answers and somebody looks: `mlops plan {product}`"
        )
    if why is not None:
        raise ReleaseRefusedError(why)
    return None


def _require_plan(record: ReleaseRecord, sequence: int | None) -> None:
    standing = record.standing
    if sequence is not None and (standing is None or standing.sequence != sequence):
        raise RegistryError(
            f"{record.product}: the step was asked for under plan {sequence}, but "
            f"{f'plan {standing.sequence}' if standing else 'none'} stands: decide again"
        )


def _order(order: Order, version: ModelVersion, record: ReleaseRecord, *, approval: Approval) -> Order:
    """Return the order with the reason and evidence of a version that is ready.

    Raises: ReleaseRefusedError when it is not.
    """
    decisions = record.decisions(version.version)
    reasons = list(obstacles(version, decisions, approval=approval))
    if not edited_facts(version) and (edited := refusal(record, version)):
        reasons.append(edited)
    if reasons:
        raise ReleaseRefusedError(
            f"{version.product} version {version.version} is not ready: {'; '.join(reasons)}"
        )
    evidence = {
        "verdicts": version.evidence,
        "bento": version.tags[BENTO_TAG],
        "mlflow_run": version.run_id,
    }
    override = release_readiness(version, decisions, approval="automatic").override
    if override is None:
        return replace(order, reason=order.reason or "every gate passed", evidence=evidence)
    shown = f"override by {override.by}: {override.reason}"
    return replace(order, reason=f"{order.reason} ({shown})" if order.reason else shown, evidence=evidence)


def _another_view(record: ReleaseRecord, number: int, leaving: Sequence[int]) -> str | None:
    target = record.released_version(number)
    left = {n: record.released_version(n) for n in leaving if record.has_released(n)}
    differing = [n for n, version in left.items() if version.tags.get(VIEW_TAG) != target.tags.get(VIEW_TAG)]
    if not differing:
        return None
    return (
        f"version {target.version} was trained with another feature view than version {differing[0]}: services compute "
        "it by that view where requests have its columns and the store has its states; GET /model says whether they do"
    )
