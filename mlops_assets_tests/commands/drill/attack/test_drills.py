"""Attacks on a server under load: each arrives, is dealt with as it should be, and holds nobody else up."""

from dataclasses import replace

import pytest

from mlops_assets.commands.drill.attack import blows
from mlops_assets.commands.drill.attack import drills as module
from mlops_assets.commands.drill.attack.blows import Blow
from mlops_assets.commands.drill.attack.drills import ATTACKS, Attack, attacked, judged
from mlops_assets.commands.drill.attack.probe import Probe, ProbeAnswer
from mlops_assets.commands.drill.stage import Stage

SHARED_SECONDS = 3.0
"""Within which health answers here: a machine that runs other tests too is no place to measure a tenth of a second."""
WAITING = {"attack-half-heads", "attack-half-bodies", "attack-slow-bodies", "attack-idle"}
BLOW = Blow(5, 5, "refused")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", SHARED_SECONDS)
    for name, count in (("PATHS", 300), ("IDLE", 100), ("HALVES", 20), ("SLOW", 20), ("HISTORY_ROWS", 2000)):
        monkeypatch.setattr(blows, name, count)


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if one.name not in WAITING - {"attack-half-bodies"}],
    ids=lambda one: one.name,
)
def test_the_attack_arrives_and_nobody_else_notices(stage: Stage, attack: Attack) -> None:
    seen = attacked(attack)(stage)
    assert seen.is_expected, seen.words


@pytest.mark.rehearsal
def test_an_attack_that_was_not_sent_is_not_as_expected(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    for blow in (Blow(5, 0, "refused"), Blow(0, 0, "refused")):
        seen = attacked(replace(ATTACKS[0], send=lambda _, blow=blow: blow))(stage)
        assert not seen.is_expected, seen.words


def probe(*, seconds: float = 0.01, status: int = 200, count: int = 60) -> Probe:
    made = Probe()
    made.answers = [
        ProbeAnswer(path, 0.1 * number, seconds if number == 50 else 0.01, status if number == 50 else 200)
        for number in range(count)
        for path in ("/livez", "/readyz")
    ]
    return made


def is_expected(blow: Blow = BLOW, made: Probe | None = None, *, answered: int = 9, refused: int = 0) -> bool:
    seen = judged(blow, made or probe(), began=1.0, quiet=0.0, answered=answered, refused=refused)
    return seen.is_expected


def test_only_a_whole_attack_with_quick_health_and_no_other_refused_is_as_expected() -> None:
    assert is_expected()
    assert not is_expected(replace(BLOW, felt=4))
    assert not is_expected(replace(BLOW, felt=6))
    assert not is_expected(Blow(0, 0, ""))
    assert not is_expected(made=probe(seconds=SHARED_SECONDS + 0.1))
    assert not is_expected(made=probe(status=503))
    assert not is_expected(made=probe(count=20))
    assert not is_expected(made=Probe())
    assert not is_expected(answered=0)
    assert not is_expected(refused=1)


def test_health_that_was_slow_and_nothing_else_is_only_late() -> None:
    slow = probe(seconds=SHARED_SECONDS + 0.1)
    for made, refused, is_only_late in (
        (slow, 0, True),
        (slow, 1, False),
        (probe(), 0, False),
        (Probe(), 0, False),
    ):
        seen = judged(BLOW, made, began=1.0, quiet=0.0, answered=9, refused=refused)
        assert seen.is_only_late is is_only_late
