"""The drills of a full disk go as expected, and not where the disk is not full."""

import pytest

from mlops_assets.commands.drill import full_disk
from mlops_assets.commands.drill.full_disk import FULL_DISK_DRILLS
from mlops_assets.commands.drill.small_disk import SmallDisk
from mlops_assets.commands.drill.stage import Drill, Stage

pytestmark = pytest.mark.rehearsal


@pytest.mark.parametrize("drill", FULL_DISK_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words


@pytest.mark.parametrize("drill", FULL_DISK_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_fails_with_a_disk_that_is_not_full(
    stage: Stage, drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallDisk, "fill", lambda _: 0)
    monkeypatch.setattr(full_disk, "WAIT_SECONDS", 2.0)
    seen = drill.play(stage)
    assert not seen.is_expected, seen.words
