"""The record of releases: one order, and entries of kinds that are not known here."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan, release
from mlops_assets.core.release.record import Entry
from mlops_assets.core.release.steps import put_into_plan
from mlops_assets_tests.support.homes.plans import write_plan
from mlops_assets_tests.support.homes.small_registry import NOON, ORDER, PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


def put(control: ReleaseControl, version: int) -> ReleasePlan:
    found = control.version(PRODUCT, version)
    return put_into_plan(control, found, mode="blue_green", order=ORDER, approval="automatic")


def test_an_entry_of_a_kind_that_is_not_known_here_is_kept_and_left_alone(small: SmallRegistry) -> None:
    judgement = Entry("judgement", NOON, "judge", "hold", 2, "abc", detail={"requests": 12})
    put(small.control, 1)
    small.control.change(PRODUCT, lambda _: (judgement,))
    put(small.control, 2)
    record = small.control.record(PRODUCT)
    assert record.entries[1] == judgement
    assert record.decisions(2) == ()


def test_a_plan_that_skips_one_is_refused(small: SmallRegistry) -> None:
    first = release(None, ORDER, version=1)
    with pytest.raises(RegistryError, match="plan 2 cannot follow plan 0"):
        write_plan(small.control, PRODUCT, release(first, ORDER, version=2))
    with pytest.raises(RegistryError, match="has no version 9"):
        write_plan(small.control, PRODUCT, release(None, ORDER, version=9))


def test_a_version_is_as_it_was_when_it_entered_the_plan(small: SmallRegistry) -> None:
    put(small.control, 1)
    before = small.control.record(PRODUCT).released_version(1)
    small.registry.set_version_tags(PRODUCT, 1, {"mlops/threshold": "0.9"})
    mlflow_client(small.uri).delete_model_version(PRODUCT, "1")
    assert small.control.record(PRODUCT).released_version(1) == before
    assert before.tags["mlops/threshold"] == "0.1"
    with pytest.raises(RegistryError, match="knows nothing of version 2"):
        small.control.record(PRODUCT).released_version(2)
