"""Artifacts are fetched by a process apart, whatever the registry does."""

import time
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry
from mlops_assets_tests.support.processes.deaf_server import deaf_server
from serving.following import fetching
from serving.following.apart import NotWantedError
from serving.following.fetching import ArtifactFetcher

UNANSWERED_SECONDS = 0.5


@pytest.fixture
def version(original_registry: SmallRegistry) -> ModelVersion:
    return original_registry.control.version(PRODUCT, 2)


def test_a_model_is_fetched_whole(
    original_registry: SmallRegistry, version: ModelVersion, tmp_path: Path
) -> None:
    ArtifactFetcher(original_registry.uri).model(version, tmp_path, is_wanted=lambda: True)
    assert TrainedModel.load(tmp_path) == original_registry.models[1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.lgb"]


def test_a_registry_that_does_not_hand_over_in_time_is_given_up(
    version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 1)
    with deaf_server() as server:
        said = f"{server.url} did not hand over the model of {PRODUCT} version 2 within 1 s"
        with pytest.raises(RegistryError, match=said):
            ArtifactFetcher(server.url).model(version, tmp_path, is_wanted=lambda: True)


@pytest.mark.parametrize("trickles", [False, True])
def test_a_fetch_that_hangs_ends_when_nobody_wants_it_any_more(
    version: ModelVersion, tmp_path: Path, trickles: bool
) -> None:
    with deaf_server(trickles=trickles) as server:
        asked_at: list[float] = []

        def is_wanted() -> bool:
            if server.asked.is_set() and not asked_at:
                asked_at.append(time.monotonic())
            return not asked_at or time.monotonic() < asked_at[0] + UNANSWERED_SECONDS

        with pytest.raises(NotWantedError):
            ArtifactFetcher(server.url).model(version, tmp_path, is_wanted=is_wanted)
        assert list(tmp_path.iterdir()) == []
