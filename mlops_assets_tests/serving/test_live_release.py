"""Which versions a worker serves: the host's last good plan, or the bento's own."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.snapshot import MODELS_FOLDER, ServingSnapshot, VersionOnDisk, snapshot_file
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product
from serving.live_release import LiveRelease

PRODUCT = "mortality_risk"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product(PRODUCT)


@pytest.fixture
def live(sampled: SampledProduct, tmp_path: Path) -> LiveRelease:
    return LiveRelease(
        sampled.product,
        LoadedVersion(1, sampled.model, 0.5),
        serving_home=tmp_path,
        open_store=lambda: open_online_store(str(tmp_path / "store"), PRODUCT),
    )


def other(sampled: SampledProduct) -> TrainedModel:
    return sampled.model.with_calibrator(SigmoidCalibrator(slope=0.5, intercept=0.0))


def install(
    home: Path, sampled: SampledProduct, sequence: int, *, view: str | None = None, damage: bool = False
) -> None:
    """Put a plan with version 2, and its model, where the follower does."""
    model, file = other(sampled), snapshot_file(home, PRODUCT)
    folder = file.parent / MODELS_FOLDER / model.digest
    model.save(folder)
    if damage:
        (folder / "model.lgb").write_text("damaged")
    version = VersionOnDisk(
        version=2,
        digest=model.digest,
        threshold=0.25,
        view_digest=view or sampled.product.view.digest,
        libraries={},
        feature_names=model.feature_names,
        folder=folder,
    )
    plan = ReleasePlan("blue_green", (Arm(2, 100, "champion"),), NOON, "ann", "why", {}, sequence, 1)
    ServingSnapshot(plan, {2: version}).write(file)
    os.utime(file, (sequence, sequence))


def test_until_there_is_a_plan_the_bentos_own_version_answers(live: LiveRelease) -> None:
    assert not live.is_changed()
    first = live.first()
    assert (first.sequence, first.champion.version, live.problem) == (0, 1, None)


def test_a_worker_that_starts_takes_up_the_last_good_plan(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path
) -> None:
    install(tmp_path, sampled, 7)
    first = live.first()
    assert (first.sequence, first.champion.version, first.champion.threshold) == (7, 2, 0.25)
    assert first.champion.model == other(sampled)
    assert list(live.served) == [2]
    assert not live.is_changed()


def test_another_plan_is_seen_once(live: LiveRelease, sampled: SampledProduct, tmp_path: Path) -> None:
    live.first()
    for sequence in (1, 2):
        install(tmp_path, sampled, sequence)
        assert live.is_changed()
        arms = live.load()
        assert arms is not None
        assert arms.sequence == sequence
        assert not live.is_changed()


def test_a_plan_that_cannot_be_loaded_is_refused_once_and_leaves_the_one_before(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path
) -> None:
    install(tmp_path, sampled, 1)
    live.first()
    install(tmp_path, sampled, 2, view="0" * 64)
    assert live.load() is None
    assert f"{'0' * 64}.json cannot be read" in str(live.problem)
    assert not live.is_changed()
    assert list(live.served) == [2]
    install(tmp_path, sampled, 3)
    assert live.load() is not None
    assert live.problem is None


def test_a_damaged_model_at_the_start_leaves_the_bentos_own(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path
) -> None:
    install(tmp_path, sampled, 1, damage=True)
    assert live.first().champion.version == 1
    assert live.problem is not None
