"""Drills of failures go as expected, and with nothing broken none of them does."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.commands.drill import failure
from mlops_assets.commands.drill.failure import FAILURE_DRILLS
from mlops_assets.commands.drill.stage import Drill, Stage


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", FAILURE_DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(stage: Stage, drill: Drill) -> None:
    seen = drill.play(stage)
    assert seen.is_expected, seen.words


def nothing(*_: object) -> None:
    """Break nothing."""


UNBROKEN: dict[str, dict[str, Any]] = {
    "registry-down": {"_without": lambda _: nullcontext()},
    "store-down": {
        "apsw": SimpleNamespace(Connection=lambda _: SimpleNamespace(execute=nothing, close=nothing))
    },
    "worker-killed": {"os": SimpleNamespace(kill=nothing)},
    "model-corrupt": {"_is_of": lambda *_, **__: False},
}
"""Drill to what stands in for its way of breaking."""


@pytest.mark.rehearsal
@pytest.mark.parametrize("drill", FAILURE_DRILLS, ids=lambda drill: drill.name)
def test_with_nothing_broken_the_drill_fails(
    stage: Stage, drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, stand_in in UNBROKEN[drill.name].items():
        monkeypatch.setattr(failure, name, stand_in)
    for name in ("WAIT_SECONDS", "TOLD_SECONDS", "WORKER_SECONDS"):
        monkeypatch.setattr(failure, name, 3.0)
    seen = drill.play(stage)
    assert not seen.is_expected, seen.words
