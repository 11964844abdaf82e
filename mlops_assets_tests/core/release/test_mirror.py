"""What MLflow shows of the release record: brought up, put right, and never asked."""

import shutil
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import PLAN_TAG, RECORD_TAG
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import TABLE, Entry
from mlops_assets.core.release.steps import put_into_plan
from mlops_assets_tests.support.homes.small_registry import NOON, ORDER, PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


def shown(small: SmallRegistry) -> dict[str, int]:
    """The aliases that MLflow shows."""
    return dict(SqliteRegistryTags(small.file).model(PRODUCT).aliases)


def put(control: ReleaseControl, version: int) -> ReleasePlan:
    found = control.version(PRODUCT, version)
    return put_into_plan(control, found, mode="blue_green", order=ORDER, approval="automatic")


def test_mlflow_is_brought_up_wherever_it_was_left_behind(small: SmallRegistry) -> None:
    control = small.control
    control.after_change = lambda *_: None  # a process that dies right after its commit
    put(control, 1)
    small.decide("approved", 2)
    assert shown(small) == {"champion": 1}, "whoever writes next brings up what was missing"
    put(control, 2)
    control.change(PRODUCT, lambda _: (Entry("rejected", NOON, "x", "y", 1, "e"),))
    assert shown(small) == {"champion": 1}
    assert control.repair(PRODUCT) == ()
    assert shown(small) == {"champion": 2}
    client = mlflow_client(small.uri)
    assert client.get_registered_model(PRODUCT).tags[PLAN_TAG] == small.standing().to_json()
    names = {name.split("/")[1] for name in client.get_model_version(PRODUCT, "1").tags}
    assert "decision" in names


@pytest.mark.parametrize("damage", ["alias", "challenger", "plan", "marker"])
def test_what_people_edit_in_mlflow_is_put_right_and_decides_nothing(
    small: SmallRegistry, damage: str
) -> None:
    plan = put(small.control, 1)
    client = mlflow_client(small.uri)
    if damage in ("alias", "challenger"):
        name = "champion" if damage == "alias" else "challenger"
        client.set_registered_model_alias(PRODUCT, name, "3")
    else:
        client.set_registered_model_tag(PRODUCT, PLAN_TAG if damage == "plan" else RECORD_TAG, " 7")
    assert small.standing() == plan
    told = {
        "alias": ("the alias champion stood on version 3: it is back on 1",),
        "challenger": (
            "the alias challenger stood on version 3: it is removed, since no version is on trial",
        ),
    }
    assert small.control.repair(PRODUCT) == told.get(damage, ())
    assert shown(small) == {"champion": 1}
    assert client.get_registered_model(PRODUCT).tags[PLAN_TAG] == plan.to_json()


def test_a_version_that_was_deleted_in_mlflow_is_told_and_goes_on_being_released(
    small: SmallRegistry,
) -> None:
    put(small.control, 1)
    mlflow_client(small.uri).delete_model_version(PRODUCT, "1")
    (told,) = small.control.repair(PRODUCT)
    assert "version 1, the champion, was deleted there" in told
    assert small.standing().champion.version == 1


def test_no_alias_is_left_on_another_version_when_that_of_the_plan_was_deleted(small: SmallRegistry) -> None:
    put(small.control, 1)
    dying = small.control
    dying.after_change = lambda *_: None
    put(dying, 2)
    client = mlflow_client(small.uri)
    client.delete_model_version(PRODUCT, "2")
    assert shown(small) == {"champion": 1}
    (told,) = small.control.repair(PRODUCT)
    assert "version 2, the champion, was deleted there" in told
    assert shown(small) == {}
    client.set_registered_model_alias(PRODUCT, "champion", "3")
    moved, _ = small.control.repair(PRODUCT)
    assert moved == "the alias champion stood on version 3: it is removed, since version 2 was deleted"
    assert shown(small) == {}


def test_a_registry_of_another_lakehouse_is_left_alone(small: SmallRegistry, tmp_path: Path) -> None:
    put(small.control, 1)
    other = ReleaseControl(str(tmp_path / "other"), small.uri)
    with pytest.raises(RegistryError, match=r"but there is none at .*other"):
        other.record(PRODUCT)
    shutil.copytree(small.tables_uri, tmp_path / "other")
    shutil.rmtree(Path(small.tables_uri) / PRODUCT / TABLE)
    client = mlflow_client(small.uri)
    client.delete_registered_model_tag(PRODUCT, RECORD_TAG)
    client.delete_registered_model_tag(PRODUCT, PLAN_TAG)
    put(small.control, 2)
    (told,) = other.repair(PRODUCT)
    assert "MLflow shows the releases of another lakehouse" in told
    assert shown(small) == {"champion": 2}
