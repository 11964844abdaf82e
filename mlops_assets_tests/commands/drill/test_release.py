"""Drills of changes on purpose go as expected, and one that does not is seen."""

from types import SimpleNamespace

import pytest

from mlops_assets.commands.drill import release
from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.commands.drill.release import RELEASE_DRILLS, _switched
from mlops_assets.commands.drill.stage import Drill, Stage
from mlops_assets_tests.support.drill_answers import answer

LATE = [answer(1, version=2), answer(2, version=1, at=60.0)]


@pytest.mark.parametrize(
    "answers",
    [
        [answer(1, version=1), answer(2, version=1)],
        [answer(1, version=2), answer(2, version=2)],
        LATE,
        [answer(1, version=1), answer(2, version=2), answer(3, status=503)],
        [*LATE, answer(3, status=503)],
    ],
    ids=[
        "never switched",
        "never another",
        "switched late",
        "a request failed",
        "late, and a request failed",
    ],
)
def test_a_switch_that_went_wrong_is_seen(answers: list[LoadAnswer]) -> None:
    seen = _switched(answers, 0.0, old=1, new=2)
    assert not seen.is_expected
    assert seen.is_only_late is (answers is LATE)


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", RELEASE_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", RELEASE_DRILLS, ids=lambda drill: drill.name)
def test_with_nothing_released_the_drill_fails(
    stage: Stage, drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.settle(1)
    standing = stage.home.control.standing(PRODUCT)
    monkeypatch.setattr(Stage, "put", lambda *_, **__: standing)
    monkeypatch.setattr(release, "roll_back", lambda *_, **__: SimpleNamespace(plan=standing))
    monkeypatch.setattr(release, "SWITCH_SECONDS", 3.0)
    monkeypatch.setattr(release, "CANARY_CUSTOMERS", 100)
    seen = drill.play(stage)
    assert not seen.is_expected, seen.words
