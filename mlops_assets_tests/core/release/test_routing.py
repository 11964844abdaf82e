"""Routing: shares hold, entities stay where they are, and nobody is moved by a ramp but into the challenger."""

import itertools
import subprocess
import sys
from datetime import UTC, datetime
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.release.plan import Arm, Mode, ReleasePlan
from mlops_assets.core.release.routing import BUCKETS, Router

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITIES = range(50_000)


def router(mode: Mode, *arms: Arm, product: str = "fraud_detection") -> Router:
    return Router(product, ReleasePlan(mode, arms, NOON, "ann", "because", {}, 4, 1))


def canary(percent: int, challenger: int = 3, product: str = "fraud_detection") -> Router:
    arms = (Arm(2, 100 - percent, "champion"), Arm(challenger, percent, "challenger"))
    return router("canary", *arms, product=product)


def challenged(one: Router) -> set[int]:
    return {entity for entity in ENTITIES if one.arm(entity).role == "challenger"}


@pytest.mark.parametrize("percent", [0, 1, 5, 25, 50, 99, 100])
def test_the_share_of_a_canary_holds_within_sampling_error(percent: int) -> None:
    share = len(challenged(canary(percent))) / len(ENTITIES)
    expected = percent / 100
    assert abs(share - expected) <= 4 * sqrt(expected * (1 - expected) / len(ENTITIES))


def test_a_ramp_keeps_everybody_who_was_in() -> None:
    steps = [challenged(canary(percent)) for percent in (1, 5, 25, 50, 100)]
    assert all(before < after for before, after in itertools.pairwise(steps))


def test_another_challenger_or_product_draws_anew() -> None:
    ours = challenged(canary(10))
    for other in (canary(10, challenger=4), canary(10, product="mortality_risk")):
        both = len(ours & challenged(other)) / len(ENTITIES)
        assert abs(both - 0.01) <= 4 * sqrt(0.01 * 0.99 / len(ENTITIES))


@given(st.one_of(st.integers(), st.text()))
def test_an_entity_has_one_bucket_however_it_is_written(entity: int | str) -> None:
    assert canary(10).bucket(entity) == canary(50).bucket(str(entity))
    assert 0 <= canary(10).bucket(entity) < BUCKETS


def test_another_process_routes_alike() -> None:
    code = (
        "from mlops_assets_tests.core.release.test_routing import canary; "
        "print([canary(10).bucket(i) for i in range(20)])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str([canary(10).bucket(entity) for entity in range(20)])


def test_a_shadow_answers_nobody_and_is_named() -> None:
    shadowed = router("shadow", Arm(2, 100, "champion"), Arm(3, 0, "shadow"))
    assert {shadowed.arm(entity) for entity in range(100)} == {Arm(2, 100, "champion")}
    assert shadowed.shadow == Arm(3, 0, "shadow")


@pytest.mark.parametrize("mode", ["blue_green", "rollback"])
def test_one_arm_answers_everybody(mode: Mode) -> None:
    alone = router(mode, Arm(2, 100, "champion"))
    assert {alone.arm(entity).version for entity in range(100)} == {2}
    assert alone.shadow is None
