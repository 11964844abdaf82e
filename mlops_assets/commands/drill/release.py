"""Drills of changes on purpose: release, canary, shadow, rollback, each under load."""

import math
import time
from collections import defaultdict

from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.commands.drill.stage import Drill, Seen, Stage, by_version, failed, order_of
from mlops_assets.core.release.steps import roll_back

PERCENT = 30
CANARY_CUSTOMERS = 150
DEVIATIONS = 4.0
"""How far the share of a canary may lie from the plan's, in standard deviations of a draw."""
SWITCH_SECONDS = 10.0
SETTLED_SECONDS = 1.0


def release(stage: Stage) -> Seen:
    """Let version 2 follow version 1 for everybody."""
    stage.settle(1)
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= 30, seconds=20)
        began = time.monotonic()
        plan = stage.put(2, "blue_green")
        stage.wait_until_followed(plan.sequence)
        time.sleep(SETTLED_SECONDS)
    return _switched(load.answers, began, old=1, new=2)


def rollback(stage: Stage) -> Seen:
    """Return from version 2 to version 1."""
    stage.settle(1)
    stage.settle(2)
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= 30, seconds=20)
        began = time.monotonic()
        rolled = roll_back(stage.home.control, PRODUCT, order=order_of("drilled"))
        stage.wait_until_followed(rolled.plan.sequence)
        time.sleep(SETTLED_SECONDS)
    stage.allow_again(2)
    return _switched(load.answers, began, old=2, new=1)


def _switched(answers: list[LoadAnswer], began: float, *, old: int, new: int) -> Seen:
    """Say how long the old version went on answering, and how many requests failed."""
    last = max((a.answered_at for a in answers if a.version == old), default=began)
    is_switched = {old, new} <= {a.version for a in answers}
    took, lost = last - began, failed(answers)
    words = (
        f"{by_version(answers)}; the last answer of version {old} came {took:.1f} s after the plan, "
        f"{len(lost)} failed"
    )
    is_sound, is_in_time = is_switched and not lost, took < SWITCH_SECONDS
    return Seen(words, is_sound and is_in_time, is_only_late=is_sound and not is_in_time)


def canary(stage: Stage) -> Seen:
    """Let version 3 answer PERCENT per cent of the customers."""
    stage.settle(1)
    plan = stage.put(3, "canary", percent=PERCENT)
    stage.wait_until_followed(plan.sequence)
    with stage.load() as load:
        load.wait_for(lambda a: len({answer.customer for answer in a}) >= CANARY_CUSTOMERS, seconds=60)
    versions: dict[int, set[int | None]] = defaultdict(set)
    for answer in load.answers:
        versions[answer.customer].add(answer.version)
    mixed = sum(len(seen) > 1 for seen in versions.values())
    share = sum(seen == {3} for seen in versions.values()) / len(versions)
    tolerance = DEVIATIONS * math.sqrt(PERCENT / 100 * (1 - PERCENT / 100) / len(versions))
    lost = failed(load.answers)
    stage.settle(1)
    words = (
        f"version 3 answered {share:.0%} of {len(versions)} customers, {mixed} customers got both versions, "
        f"{len(lost)} failed"
    )
    return Seen(words, abs(share - PERCENT / 100) <= tolerance and mixed == 0 and not lost)


def shadow(stage: Stage) -> Seen:
    """Let version 3 score silently."""
    stage.settle(1)
    plan = stage.put(3, "shadow")
    stage.wait_until_followed(plan.sequence)
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= 100, seconds=30)
    asked = {answer.event_id for answer in load.answers}
    shadowed: set[int | str] = set()
    deadline = time.monotonic() + SWITCH_SECONDS
    while time.monotonic() < deadline and len(shadowed) < len(asked):
        time.sleep(0.2)  # the shadow scores after the answers
        shadowed = {r.event_id for r in stage.home.captured() if r.role == "shadow" and r.event_id in asked}
    dropped = int(stage.metric("mlops_shadow_dropped_total"))
    lost = failed(load.answers)
    stage.settle(1)
    words = f"{by_version(load.answers)}; version 3 scored {len(shadowed)} of {len(asked)} silently, {len(lost)} failed"
    is_champion = {answer.version for answer in load.answers} == {1}
    return Seen(words, is_champion and not lost and len(shadowed) + dropped >= len(asked))


RELEASE_DRILLS = (
    Drill(
        "release",
        "version 2 was released in the place of version 1, under load",
        f"within {SWITCH_SECONDS:.0f} s version 2 answers everybody; no request fails",
        release,
    ),
    Drill(
        "canary",
        f"version 3 became a canary of {PERCENT} %",
        f"{PERCENT} % of the customers, each always the same version; no request fails",
        canary,
    ),
    Drill(
        "shadow",
        "version 3 became a shadow",
        "version 1 answers all; version 3's scores are captured; no request fails",
        shadow,
    ),
    Drill(
        "rollback",
        "version 2 was rolled back, under load",
        f"within {SWITCH_SECONDS:.0f} s version 1 answers everybody; no request fails",
        rollback,
    ),
)
