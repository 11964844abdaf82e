"""What a person, a job or a judge may ask of a release: put a version into the plan, advance its trial, roll back.

Each step reads the plan that stands, holds the asked version to the rules of readiness, and writes the plan that
follows in one change.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.core.errors import RegistryError, ReleaseRefusedError
from mlops_assets.core.registry.version import (
    BENTO_TAG,
    THRESHOLD_TAG,
    VIEW_TAG,
    Decision,
    ModelVersion,
    release_readiness,
)
from mlops_assets.core.release import plan as release_plan
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import DEFAULT_RAMP, ReleasePlan

Strategy = Literal["blue_green", "canary", "shadow"]
Approval = Literal["automatic", "manual"]


@dataclass(frozen=True)
class ReleaseOrder:
    """Who asks, why and when."""

    by: str
    """A person or a job."""
    at: datetime
    reason: str | None = None
    """None: the reason is that the version is ready."""


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did."""

    plan: ReleasePlan
    rejected: tuple[int, ...]
    """Versions that left the plan; they are rejected, since they would be released again otherwise."""
    warning: str | None
    """Why services may not be able to follow."""


def obstacles(version: ModelVersion, *, approval: Approval) -> tuple[str, ...]:
    """Return what stands between the version and any part in a plan; empty when nothing does."""
    reasons = list(release_readiness(version, approval=approval).reasons)
    name = version.product
    if BENTO_TAG not in version.tags:
        reasons.append(f"no bento of version {version.version} answered right yet: materialize {name}/bento")
    if THRESHOLD_TAG not in version.tags or VIEW_TAG not in version.tags:
        reasons.append(f"it was not registered by {name}/model_version, so that it cannot be served")
    return tuple(reasons)


def put_into_plan(
    control: ReleaseControl,
    version: ModelVersion,
    *,
    mode: Strategy,
    order: ReleaseOrder,
    approval: Approval,
    percent: int | None = None,
    ramp: tuple[int, ...] = DEFAULT_RAMP,
) -> ReleasePlan:
    """Release the version, or start or change its trial beside the champion; return the plan that now stands.

    A plan that says so already stays. `percent` is the share of a canary, by default the ramp's first step.

    Raises: ReleaseRefusedError when the version is not ready. RegistryError when there is no champion to try it
    beside, or the plan was changed meanwhile.
    """
    _refuse_unready(version, approval=approval)
    standing = control.standing(version.product)
    common = {
        "version": version.version,
        "since": order.at,
        "by": order.by,
        "reason": _reason(order, version),
        "evidence": _evidence(version),
    }
    if mode == "canary":
        plan = release_plan.start_canary(standing, percent=percent, ramp=ramp, **common)
    elif mode == "shadow":
        plan = release_plan.start_shadow(standing, ramp=ramp, **common)
    else:
        plan = release_plan.release(standing, **common)
    control.write(version.product, plan, standing=standing)
    return plan


def advance_trial(
    control: ReleaseControl, product: str, *, order: ReleaseOrder, approval: Approval
) -> ReleasePlan:
    """Take the trial's next step: see `release_plan.advance`.

    Raises: RegistryError when no version is on trial. ReleaseRefusedError when it is ready no more.
    """
    standing = control.standing(product)
    if standing is None or standing.other is None:
        raise RegistryError(f"{product}: no version is on trial; `mlops release` starts a canary or a shadow")
    version = control.version(product, standing.other.version)
    _refuse_unready(version, approval=approval)
    plan = release_plan.advance(
        standing, since=order.at, by=order.by, reason=_reason(order, version), evidence=_evidence(version)
    )
    control.write(product, plan, standing=standing)
    return plan


def roll_back(
    control: ReleaseControl, product: str, *, order: ReleaseOrder, to_version: int | None = None
) -> RolledBack:
    """Take one step back, or return to `to_version`: see `release_plan.rollback`.

    Every version that leaves the plan is rejected in the same change. The version that is returned to is not judged
    anew, since it answered before; but one that was rejected does not return.

    Raises: RegistryError when there is nothing to return to. ReleaseRefusedError when that version is rejected.
    """
    standing = control.standing(product)
    reason = order.reason or "rolled back"
    plan = release_plan.rollback(
        standing, since=order.at, by=order.by, reason=reason, evidence={}, to_version=to_version
    )
    target = control.version(product, plan.champion.version)
    if target.decisions and target.decisions[-1].kind == "rejected":
        raise ReleaseRefusedError(
            f"{product} version {target.version} was rejected by {target.decisions[-1].by} "
            f"({target.decisions[-1].reason}): approve it again, or name another version to return to"
        )
    before = {arm.version: arm for arm in standing.arms} if standing is not None else {}
    leaving = sorted(set(before) - {target.version})
    left = {number: control.version(product, number) for number in leaving}
    rejections = {
        number: Decision("rejected", order.by, f"rolled back: {reason}", order.at, version.evidence)
        for number, version in left.items()
    }
    control.write(product, plan, standing=standing, decisions=rejections)
    return RolledBack(plan, tuple(leaving), _another_view(target, left))


def _refuse_unready(version: ModelVersion, *, approval: Approval) -> None:
    reasons = obstacles(version, approval=approval)
    if reasons:
        raise ReleaseRefusedError(
            f"{version.product} version {version.version} is not ready: {'; '.join(reasons)}"
        )


def _reason(order: ReleaseOrder, version: ModelVersion) -> str:
    override = release_readiness(version, approval="automatic").override
    if override is None:
        return order.reason or "every gate passed"
    shown = f"override by {override.by}: {override.reason}"
    return f"{order.reason} ({shown})" if order.reason else shown


def _evidence(version: ModelVersion) -> dict[str, str]:
    return {
        "verdicts": version.evidence,
        "bento": version.tags[BENTO_TAG],
        "mlflow_run": version.run_id,
    }


def _another_view(target: ModelVersion, left: dict[int, ModelVersion]) -> str | None:
    differing = [n for n, version in left.items() if version.tags.get(VIEW_TAG) != target.tags.get(VIEW_TAG)]
    if not differing:
        return None
    return (
        f"version {target.version} was trained with another feature view than version {differing[0]}: services "
        f"refuse it and go on; serve its own bento {target.tags.get(BENTO_TAG, '')}".rstrip()
    )
