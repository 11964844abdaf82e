"""Models on a host's disk: fetched once, verified, fetched again when they were harmed, and removed when out of use."""

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.runtime.memory import MEBIBYTE
from mlops_assets.core.serving.host.models_on_disk import ServedModels
from mlops_assets_tests.support.small_model import FEATURES, small_model


def version_of(number: int, model: TrainedModel) -> ModelVersion:
    return ModelVersion(
        product="shop",
        version=number,
        run_id="run",
        model_uri="models:/m",
        digest=model.digest,
        verdicts=(),
        tags={},
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


class Registry:
    """Gives models by their version, and remembers who asked."""

    def __init__(self, *models: TrainedModel) -> None:
        self.models = dict(enumerate(models, start=1))
        self.asked: list[int] = []

    def fetch(self, version: ModelVersion, folder: Path) -> None:
        self.asked.append(version.version)
        if version.version not in self.models:
            raise RegistryError("away")
        self.models[version.version].save(folder)


@pytest.fixture(scope="module")
def models() -> tuple[TrainedModel, TrainedModel]:
    return small_model(), small_model(seed=1)


def test_a_model_is_fetched_once_and_read_once(tmp_path: Path, models: tuple) -> None:
    registry = Registry(*models)
    served, first = ServedModels(tmp_path), version_of(1, models[0])
    assert not served.is_untouched([first.digest])
    assert served.ensure(first, registry.fetch) == served.ensure(first, registry.fetch) == FEATURES
    assert registry.asked == [1]
    assert TrainedModel.load(tmp_path / first.digest) == models[0]
    assert served.is_untouched([first.digest])


def test_another_process_takes_what_lies_there_without_the_registry(tmp_path: Path, models: tuple) -> None:
    first = version_of(1, models[0])
    ServedModels(tmp_path).ensure(first, Registry(*models).fetch)
    assert ServedModels(tmp_path).ensure(first, Registry().fetch) == FEATURES


@pytest.mark.parametrize("harm", ["damaged", "gone", "another model"])
def test_a_model_that_was_harmed_is_fetched_again(tmp_path: Path, models: tuple, harm: str) -> None:
    registry = Registry(*models)
    served, first = ServedModels(tmp_path), version_of(1, models[0])
    served.ensure(first, registry.fetch)
    if harm == "another model":
        models[1].save(tmp_path / first.digest)
    for file in (tmp_path / first.digest).iterdir() if harm != "another model" else ():
        file.write_text("damaged") if harm == "damaged" else file.unlink()
    assert not served.is_untouched([first.digest])
    served.ensure(first, registry.fetch)
    assert registry.asked == [1, 1]
    assert TrainedModel.load(tmp_path / first.digest) == models[0]


def test_a_model_that_is_not_the_registered_one_is_not_served(tmp_path: Path, models: tuple) -> None:
    served = ServedModels(tmp_path)
    with pytest.raises(RegistryError, match="fetched was model"):
        served.ensure(version_of(1, models[0]), Registry(models[1]).fetch)
    assert list(tmp_path.iterdir()) == []


def test_a_large_model_takes_little_memory_to_check(tmp_path: Path, models: tuple) -> None:
    large = replace(models[0], booster_text="x" * 64 * MEBIBYTE)
    large.save(tmp_path / large.digest)
    tracemalloc.start()
    try:
        assert ServedModels(tmp_path).ensure(version_of(1, large), Registry().fetch) == FEATURES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MEBIBYTE


def test_models_out_of_use_and_halves_of_a_fetch_go(tmp_path: Path, models: tuple) -> None:
    served, registry = ServedModels(tmp_path), Registry(*models)
    first, second = (version_of(n, model) for n, model in enumerate(models, start=1))
    served.ensure(first, registry.fetch)
    served.ensure(second, registry.fetch)
    (tmp_path / ".half").mkdir()
    served.keep_only({second.digest})
    assert [entry.name for entry in tmp_path.iterdir()] == [second.digest]
    assert not served.is_untouched([first.digest])
    assert served.is_untouched([second.digest])
    ServedModels(tmp_path / "nowhere").keep_only(set())
