"""The release plan of a product: which versions answer, for which share of the entities, since when and why.

A plan is a value: it is never changed, only followed by the next one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.free_text import require_plain

Mode = Literal["blue_green", "canary", "shadow", "rollback"]
Role = Literal["champion", "challenger", "shadow"]
FORMAT_VERSION = 1
MAXIMUM_NAME = 200
"""Characters of who decides."""
DEFAULT_RAMP = (1, 5, 25, 50, 100)
"""Percentages of a canary, one after the other; at 100 it is the champion."""
_ROLES: Mapping[Mode, Sequence[Role]] = {
    "blue_green": ("champion",),
    "rollback": ("champion",),
    "canary": ("champion", "challenger"),
    "shadow": ("champion", "shadow"),
}


@dataclass(frozen=True)
class Arm:
    """One version's part in a plan. A shadow scores silently and answers nobody: its `percent` is 0."""

    version: int
    percent: int
    """Share of the entities that this version answers, in per cent."""
    role: Role


@dataclass(frozen=True)
class ReleasePlan:
    """What is released, made valid on construction.

    Raises: RegistryError when arms contradict each other or the mode; the message names the arms.
    """

    mode: Mode
    """How the plan came about: blue_green and rollback have one arm, canary and shadow two."""
    arms: tuple[Arm, ...]
    since: datetime
    by: str
    """A person or a job."""
    reason: str
    evidence: Mapping[str, str]
    """Names to links, run ids or digests of what the decision rests on."""
    sequence: int
    """1 for a product's first plan, then one more for each."""
    previous_champion: int | None
    """The version to which a rollback returns; None when there is none."""
    ramp: tuple[int, ...] = DEFAULT_RAMP
    """Percentages that the challenger goes through; those of the plan's own canary, or of the one after a shadow."""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise RegistryError(
                f"release plan {self.sequence} is refused: {problem}; the arms are {self.arms}"
            )

    @property
    def champion(self) -> Arm:
        """The arm of the released version."""
        return next(arm for arm in self.arms if arm.role == "champion")

    @property
    def other(self) -> Arm | None:
        """The challenger or shadow, if there is one."""
        return next((arm for arm in self.arms if arm.role != "champion"), None)

    def to_json(self) -> str:
        """Return the whole plan as canonical JSON; times in UTC, the default ramp left out."""
        since = self.since.astimezone(UTC).isoformat()
        content = {**asdict(self), "since": since, "format_version": FORMAT_VERSION}
        if self.ramp == DEFAULT_RAMP:
            del content["ramp"]
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ReleasePlan":
        """Read what `to_json` wrote.

        Raises: RegistryError when it is not a plan, or one of a later format.
        """
        try:
            content = json.loads(text)
            if (found := content.pop("format_version")) != FORMAT_VERSION:
                raise RegistryError(
                    f"release plan of format {found} cannot be read; readable is {FORMAT_VERSION}"
                )
            arms = tuple(Arm(**arm) for arm in content.pop("arms"))
            ramp = tuple(content.pop("ramp", DEFAULT_RAMP))
            return cls(arms=arms, since=datetime.fromisoformat(content.pop("since")), ramp=ramp, **content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RegistryError(f"stored release plan cannot be read: {error!r} in {text[:200]!r}") from error


@dataclass(frozen=True)
class Order:
    """Who asks for a plan, from when on, why, and on what evidence."""

    since: datetime
    by: str
    """A person or a job."""
    reason: str = ""
    """Empty: the reason is that the version is ready."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Names to links, run ids or digests."""

    @classmethod
    def of_person(cls, *, since: datetime, by: str, reason: str) -> "Order":
        """Return what a person asks for, in the words that they gave.

        Raises: ConfigurationError when these are longer than a line of text, or have a character that is not shown.
        """
        return cls(
            since=since,
            by=require_plain(by, what="who decides (--by)", maximum=MAXIMUM_NAME),
            reason=require_plain(reason, what="the reason (--reason)"),
        )


def release(standing: ReleasePlan | None, order: Order, *, version: int) -> ReleasePlan:
    """Return the plan in which `version` answers everybody; the standing plan if it says so already."""
    arms = (Arm(version, 100, "champion"),)
    if standing is not None and standing.arms == arms:
        return standing
    return _next(standing, order, "blue_green", arms, previous_champion=_champion_before(standing, version))


def start_canary(
    standing: ReleasePlan | None,
    order: Order,
    *,
    version: int,
    percent: int | None = None,
    ramp: tuple[int, ...] = DEFAULT_RAMP,
) -> ReleasePlan:
    """Return the plan in which `version` answers `percent` of the entities (by default the ramp's first step) beside
    the champion; the standing plan if it says so already.

    A challenger that is on trial already gets the new share; another one's trial ends.

    standing: the plan of now, None before the first release. order: who asks, why and when. ramp: the percentages of
    the steps.

    Raises: RegistryError when there is no champion yet, or it is `version` itself.
    """
    champion = _champion_of(standing, version)
    share = ramp[0] if percent is None else percent
    if not 1 <= share <= 99:
        raise RegistryError(
            f"a canary answers 1 to 99 per cent, not {share}: for all of them release {version}"
        )
    arms = (Arm(champion.version, 100 - share, "champion"), Arm(version, share, "challenger"))
    return _trial(standing, order, "canary", arms, ramp=ramp)


def start_shadow(
    standing: ReleasePlan | None, order: Order, *, version: int, ramp: tuple[int, ...] = DEFAULT_RAMP
) -> ReleasePlan:
    """Return the plan in which `version` scores silently beside the champion; the standing plan if it says so already.

    Raises: RegistryError when there is no champion yet, or it is `version` itself.
    """
    champion = _champion_of(standing, version)
    arms = (Arm(champion.version, 100, "champion"), Arm(version, 0, "shadow"))
    return _trial(standing, order, "shadow", arms, ramp=ramp)


def advance(standing: ReleasePlan | None, order: Order) -> ReleasePlan:
    """Return the next step of the trial: a shadow begins its ramp, a canary takes the ramp's next percentage, and at
    100 the challenger is the champion.

    Raises: RegistryError when no version is on trial.
    """
    if standing is None or standing.other is None:
        raise RegistryError("no version is on trial: start a canary or a shadow first")
    trial = standing.other
    following = next(step for step in standing.ramp if step > trial.percent)
    if following == 100:
        return release(standing, order, version=trial.version)
    return start_canary(standing, order, version=trial.version, percent=following, ramp=standing.ramp)


def rollback(standing: ReleasePlan | None, order: Order, *, to_version: int | None = None) -> ReleasePlan:
    """Return the plan that takes one step back: drops a challenger or shadow, else the champion returns to
    the one before.

    `to_version` names another version to return to. After a rollback there is no previous champion: what was
    rolled back does not return by itself.

    Raises: RegistryError when there is nothing to return to.
    """
    if standing is None:
        raise RegistryError("nothing was released yet, so that there is nothing to roll back")
    target = to_version
    if target is None:
        target = standing.champion.version if standing.other is not None else standing.previous_champion
    if target is None:
        raise RegistryError(
            f"release plan {standing.sequence} ({standing.mode} of version {standing.champion.version}) "
            "has no champion before it; name the version to return to"
        )
    if standing.other is None and target == standing.champion.version:
        raise RegistryError(
            f"version {target} is the champion already, and nothing is on trial: there is nothing to roll back"
        )
    previous = standing.previous_champion if standing.other is not None else None
    if previous == target:
        previous = None
    return _next(standing, order, "rollback", (Arm(target, 100, "champion"),), previous_champion=previous)


def plan_row(product: str, plan: ReleasePlan) -> dict[str, object]:
    """Return the plan as one row of the append-only `release` table; `plan` holds all of it as JSON."""
    other = plan.other
    return {
        "product": product,
        "sequence": plan.sequence,
        "mode": plan.mode,
        "champion_version": plan.champion.version,
        "other_version": other.version if other else None,
        "other_role": other.role if other else None,
        "other_percent": other.percent if other else None,
        "since": plan.since,
        "by": plan.by,
        "reason": plan.reason,
        "plan": plan.to_json(),
    }


def _next(
    standing: ReleasePlan | None,
    order: Order,
    mode: Mode,
    arms: tuple[Arm, ...],
    *,
    previous_champion: int | None,
    ramp: tuple[int, ...] = DEFAULT_RAMP,
) -> ReleasePlan:
    return ReleasePlan(
        mode=mode,
        arms=arms,
        since=order.since,
        by=order.by,
        reason=order.reason,
        evidence=dict(order.evidence),
        sequence=standing.sequence + 1 if standing is not None else 1,
        previous_champion=previous_champion,
        ramp=ramp,
    )


def _trial(
    standing: ReleasePlan | None, order: Order, mode: Mode, arms: tuple[Arm, ...], *, ramp: tuple[int, ...]
) -> ReleasePlan:
    if standing is not None and (standing.arms, standing.ramp) == (arms, ramp):
        return standing
    previous = standing.previous_champion if standing is not None else None
    return _next(standing, order, mode, arms, previous_champion=previous, ramp=ramp)


def _champion_of(standing: ReleasePlan | None, version: int) -> Arm:
    if standing is None:
        raise RegistryError(
            f"nothing was released yet that version {version} could be tried beside: release it"
        )
    if standing.champion.version == version:
        raise RegistryError(f"version {version} is the champion already: there is nothing to try")
    return standing.champion


def _champion_before(standing: ReleasePlan | None, version: int) -> int | None:
    if standing is None:
        return None
    before = standing.champion.version
    return before if before != version else standing.previous_champion


def _problem(plan: ReleasePlan) -> str:
    roles = [arm.role for arm in plan.arms]
    checks = (
        (roles.count("champion") == 1, "there must be exactly one champion"),
        (sum(arm.percent for arm in plan.arms) == 100, "percentages must sum to 100"),
        (all(0 <= arm.percent <= 100 for arm in plan.arms), "a percentage lies outside 0..100"),
        (len({arm.version for arm in plan.arms}) == len(plan.arms), "a version has two arms"),
        (all(arm.percent == 0 for arm in plan.arms if arm.role == "shadow"), "a shadow answers nobody"),
        (
            sorted(roles) == sorted(_ROLES.get(plan.mode, ())),
            f"{plan.mode} takes the roles {_ROLES.get(plan.mode)}",
        ),
        (plan.since.tzinfo is not None, "since has no time zone"),
        (bool(plan.by.strip() and plan.reason.strip()), "who and why are needed"),
        (plan.sequence >= 1, "the sequence starts at 1"),
        (_is_ramp(plan.ramp), f"the ramp {plan.ramp} must rise from at least 1 to 100"),
    )
    return next((problem for is_met, problem in checks if not is_met), "")


def _is_ramp(ramp: tuple[int, ...]) -> bool:
    return bool(ramp) and ramp[0] >= 1 and ramp[-1] == 100 and all(a < b for a, b in pairwise(ramp))
