"""Plans and decisions in the words that every screen uses."""

from datetime import UTC, datetime

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import PLAN, Entry, ReleaseRecord


def answers(plan: ReleasePlan | None) -> str:
    """Say which version answers how many under the plan."""
    if plan is None:
        return "nothing is released yet"
    arms = [
        f"version {arm.version} scores silently"
        if arm.role == "shadow"
        else f"version {arm.version} answers {arm.percent} %"
        for arm in plan.arms
    ]
    return ", ".join(arms)


def described(plan: ReleasePlan) -> str:
    """Return the plan's number, kind and arms."""
    return f"plan {plan.sequence}: {plan.mode.replace('_', '-')}: {answers(plan)}"


def what(entry: Entry) -> str:
    """Say in a few words what was decided."""
    if entry.kind == PLAN and entry.plan is not None:
        return described(entry.plan)
    kind = entry.kind.replace("_", " ")
    return kind if entry.version is None else f"version {entry.version} {kind}"


def champion_since(record: ReleaseRecord) -> ReleasePlan | None:
    """Return the plan with which the present champion became it; None before the first release.

    Later plans may have begun or ended trials beside it.
    """
    first = None
    for plan in reversed(record.plans):
        if first is not None and plan.champion.version != first.champion.version:
            break
        first = plan
    return first


def shown(moment: datetime) -> str:
    """Return a time as people read it: to the second, with its zone.

    Raises: RegistryError when it has no time zone.
    """
    if moment.tzinfo is None:
        raise RegistryError(f"{moment} has no time zone: give UTC")
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
