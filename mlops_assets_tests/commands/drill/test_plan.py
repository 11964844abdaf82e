"""Drills of bad plans go as expected, and with nothing broken none of them does."""

from collections.abc import Callable

import pytest

from mlops_assets.commands.drill.bad_models import sound
from mlops_assets.commands.drill.plan import (
    PLAN_DRILLS,
    follower_disk_full,
    follower_killed,
    model_kills,
    restart_with_bad_plan,
)
from mlops_assets.commands.drill.stage import Drill, Seen, Stage

pytestmark = pytest.mark.rehearsal


@pytest.mark.parametrize("drill", PLAN_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words


UNBROKEN: dict[str, Callable[[Stage], Seen]] = {
    "a sound model": lambda stage: model_kills(stage, spoil=sound),
    "a sound newest plan": lambda stage: restart_with_bad_plan(stage, spoil=sound),
    "a follower that lives": lambda stage: follower_killed(stage, kill=lambda _: None),
    "a disk with space": lambda stage: follower_disk_full(stage, fill=lambda _: None),
}


@pytest.mark.parametrize("unbroken", UNBROKEN.values(), ids=UNBROKEN)
def test_with_nothing_broken_the_drill_fails(
    stage: Stage, unbroken: Callable[[Stage], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_assets.commands.drill.plan.WAIT_SECONDS", 5.0)
    assert not unbroken(stage).is_expected
