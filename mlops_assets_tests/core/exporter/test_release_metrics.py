"""What is released, as numbers."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryGoneError
from mlops_assets.core.exporter.release_metrics import METRICS, registry_samples, release_samples
from mlops_assets.core.registry.kept import note_made
from mlops_assets.core.release.plan import Order, start_canary
from mlops_assets_tests.support.exporter import numbers
from mlops_assets_tests.support.homes.small_home import AS_OF, FRAUD, SmallHome
from mlops_assets_tests.support.homes.small_registry import NOON, ORDER, PRODUCT, SmallRegistry


def test_before_the_first_release_there_is_only_what_the_registry_has(
    original_registry: SmallRegistry,
) -> None:
    assert list(release_samples(PRODUCT, original_registry.control)) == []
    found = numbers(registry_samples(PRODUCT, original_registry.uri))
    assert found == {("mlops_newest_registered_version", PRODUCT): 4}
    assert list(registry_samples("mortality_risk", original_registry.uri)) == []


def test_the_version_that_answers_its_plan_and_the_trial_beside_it(
    original_registry: SmallRegistry, tmp_path: Path
) -> None:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(2)
    found = numbers(release_samples(PRODUCT, small.control))
    assert found["mlops_released_version", PRODUCT] == 2
    assert found["mlops_standing_plan_sequence", PRODUCT] == 1
    assert found["mlops_released_timestamp_seconds", PRODUCT] == NOON.timestamp()
    assert ("mlops_standing_plan_trial_percent", PRODUCT) not in found
    later = Order.of_person(since=NOON.replace(hour=15), by="ann", reason="try it")
    small.put(start_canary(small.standing(), later, version=3, percent=25))
    found = numbers(release_samples(PRODUCT, small.control))
    assert found["mlops_standing_plan_trial_percent", PRODUCT] == 25
    assert found["mlops_standing_plan_sequence", PRODUCT] == 2
    assert found["mlops_released_timestamp_seconds", PRODUCT] == ORDER.since.timestamp()


def test_the_ages_of_the_model_and_of_its_data(released_home: SmallHome) -> None:
    found = numbers(release_samples(FRAUD, released_home.control))
    champion = released_home.control.version(FRAUD, 1)
    assert found["mlops_model_registered_timestamp_seconds", FRAUD] == champion.created_at.timestamp()
    known_by = found["mlops_model_data_timestamp_seconds", FRAUD]
    assert known_by // 86400 * 86400 == known_by
    assert AS_OF.isoformat() in champion.tags["mlops/as_of"]
    trial = {"mlops_standing_plan_trial_percent"}
    assert {name for name, _ in found} | trial == {metric.name for metric in METRICS}


def test_before_there_is_a_registry_there_is_nothing_and_none_is_made(tmp_path: Path) -> None:
    assert list(registry_samples(PRODUCT, f"sqlite:///{tmp_path / 'mlflow.db'}")) == []
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_is_gone_is_an_error(original_registry: SmallRegistry, tmp_path: Path) -> None:
    small = original_registry.copy(tmp_path / "mlflow")
    note_made(small.uri)
    small.file.unlink()
    with pytest.raises(RegistryGoneError):
        list(registry_samples(PRODUCT, small.uri))
