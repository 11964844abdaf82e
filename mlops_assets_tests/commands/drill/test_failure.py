"""Drills of failures go as expected."""

import pytest

from mlops_assets.commands.drill.failure import FAILURE_DRILLS
from mlops_assets.commands.drill.stage import Drill, Stage


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", FAILURE_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words
