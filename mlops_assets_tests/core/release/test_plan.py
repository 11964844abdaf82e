"""Release plans: what is valid, how one follows another, and their JSON."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.release.plan import Arm, Mode, Order, ReleasePlan, plan_row, release, rollback

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plan(mode: Mode, *arms: Arm, sequence: int = 4, previous: int | None = 1) -> ReleasePlan:
    return ReleasePlan(mode, arms, NOON, "ann", "because", {"run": "r1"}, sequence, previous)


CANARY = plan("canary", Arm(2, 95, "champion"), Arm(3, 5, "challenger"))
SHADOW = plan("shadow", Arm(2, 100, "champion"), Arm(3, 0, "shadow"))


def following(kind: Callable[..., ReleasePlan], standing: ReleasePlan | None, **extra: int) -> ReleasePlan:
    return kind(standing, Order(NOON, "ann", "because"), **extra)


@pytest.mark.parametrize(
    ("mode", "arms", "problem"),
    [
        ("blue_green", (Arm(2, 90, "champion"),), "sum to 100"),
        ("blue_green", (Arm(2, 50, "champion"), Arm(3, 50, "champion")), "exactly one champion"),
        ("blue_green", (), "exactly one champion"),
        ("canary", (Arm(2, 100, "champion"),), "canary takes the roles"),
        ("canary", (Arm(2, 120, "champion"), Arm(3, -20, "challenger")), "outside 0..100"),
        ("canary", (Arm(2, 95, "champion"), Arm(2, 5, "challenger")), "two arms"),
        ("shadow", (Arm(2, 95, "champion"), Arm(3, 5, "shadow")), "answers nobody"),
        ("ramp", (Arm(2, 100, "champion"),), "ramp takes the roles"),
    ],
)
def test_contradicting_arms_are_refused(mode: Mode, arms: tuple[Arm, ...], problem: str) -> None:
    with pytest.raises(RegistryError, match=problem):
        plan(mode, *arms)


def test_a_first_release_has_no_champion_before_it() -> None:
    first = following(release, None, version=1)
    assert (first.mode, first.sequence, first.previous_champion) == ("blue_green", 1, None)
    with pytest.raises(RegistryError, match="no champion before it"):
        following(rollback, first)


def test_release_then_rollback_returns_to_the_version_before() -> None:
    first = following(release, None, version=1)
    second = following(release, first, version=2)
    assert (second.sequence, second.previous_champion) == (2, 1)
    back = following(rollback, second)
    assert (back.mode, back.champion, back.sequence) == ("rollback", Arm(1, 100, "champion"), 3)
    with pytest.raises(RegistryError, match="name the version"):
        following(rollback, back)
    assert following(rollback, back, to_version=2).champion.version == 2


def test_releasing_what_is_released_already_changes_nothing() -> None:
    first = following(release, None, version=1)
    assert release(first, Order(NOON + timedelta(days=1), "x", "y"), version=1) is first


@pytest.mark.parametrize("standing", [CANARY, SHADOW])
def test_rollback_of_a_trial_keeps_the_champion_and_its_way_back(standing: ReleasePlan) -> None:
    back = following(rollback, standing)
    assert back.arms == (Arm(2, 100, "champion"),)
    assert back.previous_champion == 1


def test_a_rollback_during_a_canary_to_the_champion_before_leaves_no_way_back() -> None:
    back = following(rollback, CANARY, to_version=1)
    assert (back.champion.version, back.previous_champion) == (1, None), "no version is its own predecessor"


def test_a_canary_that_wins_becomes_champion() -> None:
    won = following(release, CANARY, version=3)
    assert (won.champion.version, won.previous_champion) == (3, 2)


def test_ending_a_canary_in_favour_of_the_champion_keeps_its_way_back() -> None:
    kept = following(release, CANARY, version=2)
    assert (kept.champion, kept.previous_champion) == (Arm(2, 100, "champion"), 1)


def test_rollback_before_any_release_says_so() -> None:
    with pytest.raises(RegistryError, match="nothing was released yet"):
        following(rollback, None)


@given(
    percent=st.integers(0, 100),
    reason=st.text(min_size=1).filter(str.strip),
    evidence=st.dictionaries(st.text(), st.text(), max_size=3),
    offset=st.integers(-12, 12),
)
def test_json_keeps_every_plan_and_the_same_plan_gives_the_same_json(
    percent: int, reason: str, evidence: dict[str, str], offset: int
) -> None:
    since = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=offset)))
    arms = (Arm(1, percent, "champion"), Arm(2, 100 - percent, "challenger"))
    original = ReleasePlan("canary", arms, since, "job", reason, evidence, 9, None)
    text = original.to_json()
    assert ReleasePlan.from_json(text) == original
    assert ReleasePlan.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format_version": 2}', CANARY.to_json().replace("95", "96")]
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(RegistryError):
        ReleasePlan.from_json(text)


def test_a_history_row_shows_both_arms_and_keeps_the_whole_plan() -> None:
    row = plan_row("fraud_detection", CANARY)
    assert (row["champion_version"], row["other_version"], row["other_percent"]) == (2, 3, 5)
    assert ReleasePlan.from_json(str(row["plan"])) == CANARY
