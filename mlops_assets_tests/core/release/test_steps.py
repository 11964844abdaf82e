"""Release steps: only versions that are ready enter a plan, trials advance, and what is rolled back stays away."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError, ReleaseRefusedError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import BENTO_TAG, PLAN_TAG, THRESHOLD_TAG
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.plan import Arm, Order, ReleasePlan
from mlops_assets.core.release.steps import (
    RolledBack,
    Strategy,
    advance_trial,
    obstacles,
    put_into_plan,
    roll_back,
)
from mlops_assets_tests.support.homes.small_registry import NOON, OTHER_VIEW_VERSION, PRODUCT, SmallRegistry

ORDER = Order(NOON + timedelta(hours=1), "ann", "because")


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    return small


def put(small: SmallRegistry, version: int, mode: Strategy, percent: int | None = None) -> ReleasePlan:
    control = small.control
    found = control.version(PRODUCT, version)
    return put_into_plan(control, found, mode=mode, order=ORDER, approval="automatic", percent=percent)


def advance(small: SmallRegistry) -> ReleasePlan:
    return advance_trial(small.control, PRODUCT, order=ORDER, approval="automatic")


def back(small: SmallRegistry, to_version: int | None = None) -> RolledBack:
    return roll_back(small.control, PRODUCT, order=ORDER, to_version=to_version)


def test_a_shadow_becomes_a_canary_and_goes_up_the_ramp_until_it_is_champion(small: SmallRegistry) -> None:
    assert put(small, 2, "shadow").arms == (Arm(1, 100, "champion"), Arm(2, 0, "shadow"))
    shares = []
    while small.standing().other is not None:
        advance(small)
        shares.append([arm.percent for arm in small.standing().arms])
    assert shares == [[99, 1], [95, 5], [75, 25], [50, 50], [100]]
    plan = small.standing()
    assert (plan.mode, plan.champion.version, plan.previous_champion) == ("blue_green", 2, 1)
    with pytest.raises(RegistryError, match="no version is on trial"):
        advance(small)
    assert [one.sequence for one in small.control.record(PRODUCT).plans] == list(range(1, 8)), (
        "no plan is lost"
    )


def test_mlflow_shows_the_plan(small: SmallRegistry) -> None:
    put(small, 2, "canary", 10)
    client = mlflow_client(small.uri)
    shown = client.get_registered_model(PRODUCT)
    assert {alias: int(version) for alias, version in shown.aliases.items()} == {
        "champion": 1,
        "challenger": 2,
    }
    assert shown.tags[PLAN_TAG] == small.standing().to_json()
    back(small)
    assert client.get_registered_model(PRODUCT).aliases == {"champion": 1}
    rejections = client.get_model_version(PRODUCT, "2").tags
    assert [name.split("/")[1] for name in rejections if name.startswith("mlops/decision/")] == ["decision"]


def test_a_plan_carries_what_it_rests_on(small: SmallRegistry) -> None:
    version = small.control.version(PRODUCT, 2)
    evidence = put(small, 2, "blue_green").evidence
    assert evidence == {
        "verdicts": version.evidence,
        "bento": version.tags[BENTO_TAG],
        "mlflow_run": version.run_id,
    }


@pytest.mark.parametrize("mode", ["blue_green", "canary", "shadow"])
def test_a_version_that_is_not_ready_enters_no_plan(small: SmallRegistry, mode: Strategy) -> None:
    failed = RecordedVerdict("auc_floor", "fail", "0.5 < 0.7")
    small.registry.write_verdicts(PRODUCT, 2, [failed])
    small.decide("rejected", 3, by="bob", reason="wrong season")
    before = small.standing()
    for version, told in ((2, "gate auc_floor: fail"), (3, "rejected by bob")):
        with pytest.raises(ReleaseRefusedError, match=told):
            put(small, version, mode)
    assert small.standing() == before


def test_a_version_whose_bento_did_not_answer_is_not_ready(small: SmallRegistry) -> None:
    version = small.control.version(PRODUCT, 2)
    tags = {name: value for name, value in version.tags.items() if name != BENTO_TAG}
    without = type(version)(**{**version.__dict__, "tags": tags})
    assert obstacles(version, (), approval="automatic") == ()
    assert obstacles(without, (), approval="automatic") == (
        f"no bento of version 2 answered right yet: materialize {PRODUCT}/bento",
    )


def test_manual_approval_is_asked_for_and_an_override_is_shown(small: SmallRegistry) -> None:
    control, failed = small.control, RecordedVerdict("auc_floor", "fail", "0.5 < 0.7")
    with pytest.raises(ReleaseRefusedError, match="no approval"):
        put_into_plan(control, control.version(PRODUCT, 2), mode="canary", order=ORDER, approval="manual")
    small.registry.write_verdicts(PRODUCT, 2, [failed])
    small.decide("overridden", 2, by="bob", reason="a quiet week")
    plan = put_into_plan(control, control.version(PRODUCT, 2), mode="canary", order=ORDER, approval="manual")
    assert plan.reason == "because (override by bob: a quiet week)"


def test_a_challenger_that_was_rejected_meanwhile_does_not_advance(small: SmallRegistry) -> None:
    put(small, 2, "canary")
    small.decide("rejected", 2, by="bob", reason="found a leak")
    with pytest.raises(ReleaseRefusedError, match="found a leak"):
        advance(small)


def test_a_rollback_rejects_what_it_takes_out_and_that_does_not_come_back(small: SmallRegistry) -> None:
    put(small, 2, "blue_green")
    put(small, 3, "canary")
    done = back(small)
    assert (done.plan.champion.version, done.rejected, done.warnings) == (2, (3,), ())
    done = back(small)
    assert (done.plan.champion.version, done.rejected) == (1, (2,))
    for version in (2, 3):
        with pytest.raises(ReleaseRefusedError, match=r"rolled back: because"):
            put(small, version, "blue_green")
    with pytest.raises(RegistryError, match="name the version"):
        back(small)
    with pytest.raises(ReleaseRefusedError, match="approve it again"):
        back(small, to_version=2)


def test_a_rollback_to_a_named_version_takes_all_others_out(small: SmallRegistry) -> None:
    put(small, 2, "blue_green")
    put(small, 3, "canary")
    done = back(small, to_version=1)
    assert (done.plan.arms, done.rejected) == ((Arm(1, 100, "champion"),), (2, 3))


def test_a_rollback_to_another_feature_view_says_what_services_need_for_it(small: SmallRegistry) -> None:
    small.release(OTHER_VIEW_VERSION)
    assert "where requests have its columns and the store has its states" in back(small).warnings[0]


def test_a_trial_keeps_the_bento_with_which_it_began(small: SmallRegistry) -> None:
    began = small.control.version(PRODUCT, 2).tags[BENTO_TAG]
    put(small, 2, "canary", 10)
    small.registry.set_version_tags(PRODUCT, 2, {BENTO_TAG: "another:1"})
    put(small, 2, "canary", 20)
    advance(small)
    assert small.control.record(PRODUCT).released_version(2).tags[BENTO_TAG] == began
    back(small)
    small.decide("approved", 2)
    put(small, 2, "blue_green")
    assert small.control.record(PRODUCT).released_version(2).tags[BENTO_TAG] == "another:1", (
        "a release of its own"
    )


def test_a_trial_of_a_version_whose_facts_were_edited_goes_no_step_further(small: SmallRegistry) -> None:
    put(small, 2, "canary", 10)
    small.registry.set_version_tags(PRODUCT, 2, {THRESHOLD_TAG: "0.9"})
    for step in (lambda: put(small, 2, "canary", 20), lambda: advance(small)):
        with pytest.raises(ReleaseRefusedError, match="decision threshold of version 2 was edited"):
            step()
    assert back(small).plan.arms == (Arm(1, 100, "champion"),)


def test_the_same_order_twice_is_one_plan(small: SmallRegistry) -> None:
    assert put(small, 2, "canary", 10) == put(small, 2, "canary", 10)
    assert put(small, 2, "canary", 20).sequence == small.standing().sequence == 3


@pytest.mark.parametrize(("mode", "percent"), [("canary", None), ("shadow", None)])
def test_the_champion_is_not_tried_beside_itself(
    small: SmallRegistry, mode: Strategy, percent: int | None
) -> None:
    with pytest.raises(RegistryError, match="is the champion already"):
        put(small, 1, mode, percent)


@pytest.mark.parametrize("percent", [-1, 0, 100, 101])
def test_a_canary_answers_some_and_not_all(small: SmallRegistry, percent: int) -> None:
    with pytest.raises(RegistryError, match="per cent"):
        put(small, 2, "canary", percent)
