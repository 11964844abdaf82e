"""Drills of changes on purpose go as expected, and one that does not is seen."""

import pytest

from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.commands.drill.release import RELEASE_DRILLS, _switched
from mlops_assets.commands.drill.stage import Drill, Stage
from mlops_assets_tests.support.drill_answers import answer


@pytest.mark.parametrize(
    "answers",
    [
        [answer(1, version=1), answer(2, version=1)],
        [answer(1, version=2), answer(2, version=1, at=60.0)],
        [answer(1, version=1), answer(2, version=2), answer(3, status=503)],
    ],
    ids=["never switched", "switched late", "a request failed"],
)
def test_a_switch_that_went_wrong_is_seen(answers: list[LoadAnswer]) -> None:
    assert not _switched(answers, 0.0, old=1, new=2).is_expected


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", RELEASE_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words
