"""The drill of a damaged store goes as expected, and not where nothing is damaged."""

import pytest

from mlops_assets.commands.drill import damaged_store
from mlops_assets.commands.drill.damaged_store import store_damaged
from mlops_assets.commands.drill.stage import Stage

pytestmark = pytest.mark.rehearsal


def test_the_drill_goes_as_expected(stage: Stage) -> None:
    seen = store_damaged(stage)
    assert seen.is_expected, seen.words


def test_the_drill_fails_with_a_store_that_is_sound(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged_store, "damage", lambda _: None)
    for name in ("TOLD_SECONDS", "WAIT_SECONDS"):
        monkeypatch.setattr(damaged_store, name, 2.0)
    monkeypatch.setattr(type(stage.home), "load_states", lambda _: None)
    seen = store_damaged(stage)
    assert not seen.is_expected, seen.words
