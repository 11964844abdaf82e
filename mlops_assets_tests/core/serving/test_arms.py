"""The arms of a plan: each answers with its own model and features, to those whom the plan gives it."""

from datetime import UTC, datetime

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product_spec import Training
from mlops_assets.core.release.plan import Arm, Mode, ReleasePlan
from mlops_assets.core.release.routing import Router
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.training.fit import fit
from mlops_assets_tests.support.small_model import FEATURES, small_model, small_rows

VIEW = FeatureView("view", "id", None, tuple(RowFeature(name, col(name), "") for name in FEATURES))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plan(mode: Mode, *arms: Arm) -> ReleasePlan:
    return ReleasePlan(mode, arms, NOON, "ann", "why", {}, 7, None)


def narrow() -> TrainedModel:
    """A model of fewer features, in another order than the view's."""
    return fit(
        small_rows(),
        feature_names=("terminal_fraud_share", "amount_usd"),
        label="is_fraud",
        training=Training(num_boost_round=5, calibration="none", num_threads=1),
        parameters={"min_data_in_leaf": 5},
    )


@pytest.fixture(scope="module")
def versions() -> dict[int, LoadedVersion]:
    return {1: LoadedVersion(1, small_model(), 0.5), 2: LoadedVersion(2, narrow(), 0.1)}


def test_without_a_plan_the_only_version_answers_everybody(versions: dict[int, LoadedVersion]) -> None:
    arms = ReleasedArms("shop", VIEW, {1: versions[1]})
    assert (arms.sequence, arms.champion.version, arms.shadow) == (0, 1, None)
    assert {arms.route(entity).version for entity in range(50)} == {1}
    with pytest.raises(PackagingError, match=r"exactly one version serves, not \[1, 2\]"):
        ReleasedArms("shop", VIEW, versions)


def test_a_canary_answers_the_entities_that_the_router_gives_it(versions: dict[int, LoadedVersion]) -> None:
    canary = plan("canary", Arm(1, 70, "champion"), Arm(2, 30, "challenger"))
    arms, router = ReleasedArms("shop", VIEW, versions, plan=canary), Router("shop", canary)
    assert all(arms.route(entity).version == router.arm(entity).version for entity in range(500))
    assert [arm.role for arm in arms.arms] == ["challenger", "champion"] or arms.champion.version == 1


def test_a_shadow_answers_nobody(versions: dict[int, LoadedVersion]) -> None:
    arms = ReleasedArms(
        "shop", VIEW, versions, plan=plan("shadow", Arm(1, 100, "champion"), Arm(2, 0, "shadow"))
    )
    assert arms.shadow is not None
    assert arms.shadow.version == 2
    assert {arms.route(entity).version for entity in range(50)} == {1}


def test_each_arm_takes_its_own_features_out_of_those_of_all(versions: dict[int, LoadedVersion]) -> None:
    arms = ReleasedArms(
        "shop", VIEW, versions, plan=plan("shadow", Arm(1, 100, "champion"), Arm(2, 0, "shadow"))
    )
    assert arms.names == FEATURES
    vector = (40.0, 1.0, None)
    assert arms.champion.vector(vector) == vector
    assert arms.shadow is not None
    assert arms.shadow.vector(vector) == (None, 40.0)
    rows = (
        small_rows(1)
        .with_columns(amount_usd=40.0, night=1, terminal_fraud_share=None)
        .cast({"terminal_fraud_share": float})
    )
    assert arms.champion.score(vector) == versions[1].model.predict(rows)[0]
    assert arms.shadow.score((None, 40.0)) == versions[2].model.predict(rows)[0]


def test_only_features_that_an_arm_reads_are_computed(versions: dict[int, LoadedVersion]) -> None:
    assert ReleasedArms("shop", VIEW, {2: versions[2]}).names == ("amount_usd", "terminal_fraud_share")


def test_a_version_that_is_not_loaded_and_a_feature_that_no_view_has_are_named(
    versions: dict[int, LoadedVersion],
) -> None:
    with pytest.raises(PackagingError, match=r"the plan names version 3, but loaded are \[1, 2\]"):
        ReleasedArms("shop", VIEW, versions, plan=plan("blue_green", Arm(3, 100, "champion")))
    smaller = FeatureView("view", "id", None, VIEW.features[:2])
    with pytest.raises(
        PackagingError, match="reads terminal_fraud_share, which the feature view does not have"
    ):
        ReleasedArms("shop", smaller, {1: versions[1]})
