"""Which versions a worker serves: the host's last good plan, or the bento's own."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.snapshot import (
    MODELS_FOLDER,
    ServingSnapshot,
    VersionOnDisk,
    snapshot_file,
)
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
        lambda: LoadedVersion(1, sampled.model, 0.5),
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


def test_the_bentos_own_model_is_not_loaded_where_the_plan_can_be(
    sampled: SampledProduct, tmp_path: Path
) -> None:
    def broken() -> LoadedVersion:
        raise PackagingError("the bento's model is broken")

    live = LiveRelease(
        sampled.product,
        broken,
        serving_home=tmp_path,
        open_store=lambda: open_online_store(str(tmp_path / "store"), PRODUCT),
    )
    with pytest.raises(PackagingError, match="is broken"):
        live.first()
    install(tmp_path, sampled, 7)
    assert live.first().champion.version == 2


def test_a_plan_that_cannot_be_loaded_at_the_start_leaves_the_last_one_that_worked(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path
) -> None:
    install(tmp_path, sampled, 7)
    worked = ServingSnapshot.read(snapshot_file(tmp_path, PRODUCT))
    SeenPlans().with_good(worked).write(seen_file(tmp_path, PRODUCT))
    install(tmp_path, sampled, 8, view="0" * 64)
    first = live.first()
    assert (first.sequence, first.champion.version) == (7, 2)
    assert live.problem is not None


def test_what_a_library_raises_stops_no_worker_and_is_tried_again(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, sampled, 1)
    live.first()

    def fail(_: Path) -> TrainedModel:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(TrainedModel, "load", fail)
        live._loaded = {}
        install(tmp_path, sampled, 2)
        assert live.load() is None
    assert "no room" in str(live.problem)
    monkeypatch.setattr("serving.live_release.RETRY_SECONDS", 0.0)
    live._retry_at = 0.0
    assert live.is_changed()
    assert live.load() is not None


def test_a_plan_is_announced_before_its_models_are_loaded(sampled: SampledProduct, tmp_path: Path) -> None:
    begun: list[int] = []
    live = LiveRelease(
        sampled.product,
        lambda: LoadedVersion(1, sampled.model, 0.5),
        serving_home=tmp_path,
        open_store=lambda: open_online_store(str(tmp_path / "store"), PRODUCT),
        begins=begun.append,
    )
    install(tmp_path, sampled, 7, damage=True)
    live.first()
    assert begun == [7]
    assert live.waiting_plan() is None
    install(tmp_path, sampled, 8)
    assert live.waiting_plan() == 8


def test_a_damaged_model_at_the_start_leaves_the_bentos_own(
    live: LiveRelease, sampled: SampledProduct, tmp_path: Path
) -> None:
    install(tmp_path, sampled, 1, damage=True)
    assert live.first().champion.version == 1
    assert live.problem is not None
