"""Versions that people delete or edit in MLflow: noticed by everybody who looks, refused before a plan is written."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError, ReleaseRefusedError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import DIGEST_TAG, FACTS_TAG, THRESHOLD_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import Strategy, advance_trial, put_into_plan, roll_back
from mlops_assets_tests.support.homes.small_registry import NOON, ORDER, PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    """Version 1 was released, then version 2."""
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    small.release(2)
    return small


def delete(small: SmallRegistry, version: int) -> None:
    mlflow_client(small.uri).delete_model_version(PRODUCT, str(version))


def put(control: ReleaseControl, version: int, mode: Strategy) -> None:
    found = control.version(PRODUCT, version)
    put_into_plan(control, found, mode=mode, order=ORDER, approval="automatic")


STEPS: dict[str, Callable[[ReleaseControl], object]] = {
    "release": lambda control: put(control, 1, "blue_green"),
    "canary": lambda control: put(control, 1, "canary"),
    "shadow": lambda control: put(control, 1, "shadow"),
    "rollback": lambda control: roll_back(control, PRODUCT, order=ORDER),
    "rollback to": lambda control: roll_back(control, PRODUCT, order=ORDER, to_version=1),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_version_that_was_deleted_in_mlflow_enters_no_plan(small: SmallRegistry, step: str) -> None:
    delete(small, 1)
    before = small.standing()
    with pytest.raises(
        RegistryError, match=r"no version 1 any more, it was deleted in MLflow \(it has 2, 3, 4\)"
    ):
        STEPS[step](small.control)
    assert small.standing() == before


def test_a_trial_of_a_version_that_was_deleted_goes_no_step_further_and_can_be_ended(
    small: SmallRegistry,
) -> None:
    put(small.control, 3, "canary")
    delete(small, 3)
    with pytest.raises(RegistryError, match="no version 3 any more"):
        advance_trial(small.control, PRODUCT, order=ORDER, approval="automatic")
    assert roll_back(small.control, PRODUCT, order=ORDER).plan.champion.version == 2


def test_a_champion_that_was_deleted_does_not_keep_a_canary_alive(small: SmallRegistry) -> None:
    put(small.control, 3, "canary")
    delete(small, 2)
    plan = roll_back(small.control, PRODUCT, order=ORDER).plan
    assert [arm.version for arm in plan.arms] == [2], "it stands already, it does not enter"


def test_a_refused_rollback_is_written_down(small: SmallRegistry) -> None:
    delete(small, 1)
    with pytest.raises(ReleaseRefusedError):
        roll_back(small.control, PRODUCT, order=Order(NOON, "cy", "errors"))
    last = small.control.record(PRODUCT).entries[-1]
    assert (last.kind, last.by) == ("refused", "cy")
    assert "deleted in MLflow" in last.reason


def test_a_registry_that_does_not_answer_holds_up_no_rollback_which_says_what_was_not_checked(
    small: SmallRegistry,
) -> None:
    small.file.rename(small.file.with_suffix(".away"))
    done = roll_back(small.control, PRODUCT, order=ORDER)
    assert done.plan.champion.version == 1
    (words,) = done.warnings
    assert "the registry is gone: " in words
    assert "Whether version 1 was deleted or edited there could not be checked" in words


def test_a_registry_that_hangs_holds_up_a_rollback_no_longer_than_its_patience(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_assets.core.release.control.PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("mlops_assets.core.release.control.MIRROR_SECONDS", 0.2)
    with closing(sqlite3.connect(small.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        done = roll_back(small.control, PRODUCT, order=ORDER)
    assert done.plan.champion.version == 1
    assert "did not answer within 0.2 s" in done.warnings[0]


def test_a_rollback_to_what_never_was_the_champion_is_refused_without_asking_the_registry(
    small: SmallRegistry,
) -> None:
    small.file.rename(small.file.with_suffix(".away"))
    with pytest.raises(ReleaseRefusedError, match="version 3 never was the champion"):
        roll_back(small.control, PRODUCT, order=ORDER, to_version=3)


@pytest.mark.parametrize(
    ("column", "told"), [("source", "source"), ("run_id", "run id"), ("digest", "digest")]
)
def test_facts_of_the_champion_that_were_edited_are_told(
    small: SmallRegistry, column: str, told: str
) -> None:
    assert small.control.repair(PRODUCT) == ()
    if column == "digest":
        mlflow_client(small.uri).set_model_version_tag(PRODUCT, "2", DIGEST_TAG, "0" * 64)
    else:
        with closing(sqlite3.connect(small.file)) as connection, connection:
            connection.execute(f"UPDATE model_versions SET {column} = 'other' WHERE version = 2")
    (words,) = small.control.repair(PRODUCT)
    assert words.startswith(f"{told} of version 2, the champion, was edited there by hand")


def edit(small: SmallRegistry, version: int, tag: str = THRESHOLD_TAG, value: str = "0.9") -> None:
    mlflow_client(small.uri).set_model_version_tag(PRODUCT, str(version), tag, value)


def test_an_edited_threshold_of_the_champion_is_told_with_what_it_was(small: SmallRegistry) -> None:
    edit(small, 2)
    (words,) = small.control.repair(PRODUCT)
    assert words.startswith("decision threshold of version 2, the champion, was edited there by hand")
    assert f"put back {THRESHOLD_TAG} = 0.2" in words
    edit(small, 2, value="0.2")
    assert small.control.repair(PRODUCT) == ()


@pytest.mark.parametrize("version", [1, 4])
def test_an_edited_threshold_of_the_version_before_and_of_the_newest_is_told(
    small: SmallRegistry, version: int
) -> None:
    edit(small, version)
    (words,) = small.control.repair(PRODUCT)
    assert words.startswith(f"decision threshold of version {version} was edited in MLflow by hand")
    assert f"put back {THRESHOLD_TAG} = {version / 10}" in words


def test_an_edited_threshold_is_told_before_the_first_release(
    original_registry: SmallRegistry, tmp_path: Path
) -> None:
    small = original_registry.copy(tmp_path / "mlflow")
    assert small.control.repair(PRODUCT) == ()
    edit(small, 4)
    (words,) = small.control.repair(PRODUCT)
    assert words.startswith("decision threshold of version 4 was edited")


@pytest.mark.parametrize("step", STEPS)
def test_a_version_whose_threshold_was_edited_enters_no_plan(small: SmallRegistry, step: str) -> None:
    edit(small, 1)
    before = small.standing()
    with pytest.raises(ReleaseRefusedError, match="decision threshold of version 1 was edited in MLflow"):
        STEPS[step](small.control)
    assert small.standing() == before
    edit(small, 1, value="0.1")
    STEPS[step](small.control)


def test_a_version_that_was_never_released_is_compared_with_its_own_copy(small: SmallRegistry) -> None:
    edit(small, 3)
    with pytest.raises(ReleaseRefusedError, match=rf"put back {THRESHOLD_TAG} = 0\.3"):
        put(small.control, 3, "canary")
    edit(small, 3, value="0.3")
    edit(small, 3, FACTS_TAG, "no JSON")
    with pytest.raises(ReleaseRefusedError, match="copy of the facts of version 3 was edited"):
        put(small.control, 3, "canary")


def test_a_version_of_before_the_copy_is_compared_with_the_record_alone(small: SmallRegistry) -> None:
    client = mlflow_client(small.uri)
    for version in ("1", "3"):
        client.delete_model_version_tag(PRODUCT, version, FACTS_TAG)
        edit(small, int(version))
    put(small.control, 3, "canary")
    with pytest.raises(ReleaseRefusedError, match="decision threshold of version 1 was edited"):
        put(small.control, 1, "blue_green")
