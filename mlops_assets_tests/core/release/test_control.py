"""Where plans stand: compare-and-set, one change for all that belongs together, and both doors to the registry."""

import multiprocessing
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tags import RegistryChange, RegistryTags, open_registry_tags
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets.core.registry.version import Decision
from mlops_assets.core.release.control import PLAN_TAG, ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan, release
from mlops_assets_tests.support.small_registry import NOON, PRODUCT, SmallRegistry

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier

OPENED = {
    "sqlite": lambda small: SqliteRegistryTags(small.file),
    "mlflow": lambda small: MlflowRegistryTags(small.uri),
}


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


@pytest.fixture(params=sorted(OPENED))
def tags(
    request: pytest.FixtureRequest, small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> RegistryTags:
    monkeypatch.setattr("mlops_assets.core.registry.tags_mlflow.SETTLE_SECONDS", 0.01)
    return OPENED[request.param](small)


def following(standing: ReleasePlan | None, version: int, by: str = "ann") -> ReleasePlan:
    return release(standing, version=version, since=NOON, by=by, reason="because", evidence={})


def test_both_doors_show_and_change_the_same_registry(small: SmallRegistry, tags: RegistryTags) -> None:
    assert isinstance(open_registry_tags(small.uri), SqliteRegistryTags)
    assert tags.model_tags("no_such") == {}
    assert tags.version(PRODUCT, 9) is None
    assert (tags.newest_version(PRODUCT), tags.newest_version("no_such")) == (4, None)
    change = RegistryChange(
        guard=("a", None),
        model_tags={"a": "1", "b": "ü"},
        aliases={"champion": 2, "challenger": 3},
        version_tags={2: {"note": "x"}},
    )
    assert tags.change(PRODUCT, change)
    assert not tags.change(PRODUCT, change), "the guard holds no more"
    again = RegistryChange(guard=("a", "1"), model_tags={"b": None}, aliases={"challenger": None})
    assert tags.change(PRODUCT, again)
    for other in (door(small) for door in OPENED.values()):
        assert other.model_tags(PRODUCT) == {"a": "1"}
        assert other.version(PRODUCT, 2) == tags.version(PRODUCT, 2)
        found = other.version(PRODUCT, 2)
        assert found is not None
        assert (found.aliases, found.tags["note"]) == (("champion",), "x")


def test_a_writer_with_an_old_plan_changes_nothing_at_all(small: SmallRegistry, tags: RegistryTags) -> None:
    control = ReleaseControl(tags)
    first = following(None, 1)
    control.write(PRODUCT, first, standing=None)
    theirs, ours = following(first, 2, by="them"), following(first, 3, by="us")
    control.write(PRODUCT, theirs, standing=first)
    rejection = Decision("rejected", "us", "why", NOON, "e")
    with pytest.raises(RegistryError, match="changed meanwhile"):
        control.write(PRODUCT, ours, standing=first, decisions={2: rejection})
    assert control.standing(PRODUCT) == theirs
    assert control.version(PRODUCT, 2).decisions == ()
    assert control.version(PRODUCT, 2).aliases == ("champion",)


def test_past_plans_are_kept_until_they_are_forgotten(tags: RegistryTags) -> None:
    control, plan = ReleaseControl(tags), None
    for version in (1, 2, 3, 1):
        before, plan = plan, following(plan, version)
        control.write(PRODUCT, plan, standing=before)
    assert [(one.sequence, one.champion.version) for one in control.plans(PRODUCT)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 1),
    ]
    control.forget_past_plans(PRODUCT, before=3)
    assert [one.sequence for one in control.plans(PRODUCT)] == [3, 4]


def test_a_plan_that_skips_one_is_refused(tags: RegistryTags) -> None:
    control = ReleaseControl(tags)
    first = following(None, 1)
    with pytest.raises(RegistryError, match="plan 2 was not written"):
        control.write(PRODUCT, following(first, 2), standing=None)
    with pytest.raises(RegistryError, match="has no version 9"):
        control.write(PRODUCT, following(None, 9), standing=None)


def test_an_alias_that_a_killed_process_left_behind_is_repaired(small: SmallRegistry) -> None:
    plan = small.release(1)
    small.registry.set_alias(PRODUCT, "champion", 3)
    small.control.write(PRODUCT, plan, standing=plan)
    assert small.control.version(PRODUCT, 1).aliases == ("champion",)


ROUNDS = 5


def _race(uri: str, versions: tuple[int, int], barrier: "Barrier", written: "Synchronized[int]") -> None:
    control = ReleaseControl.at(uri)
    for turn in range(ROUNDS):
        barrier.wait()
        standing = control.standing(PRODUCT)
        barrier.wait()
        try:
            control.write(PRODUCT, following(standing, versions[turn % 2]), standing=standing)
        except RegistryError:
            continue
        with written.get_lock():
            written.value += 1


def test_of_two_writers_of_the_same_instant_one_is_told(small: SmallRegistry) -> None:
    """Both read the same plan, then both write: without compare-and-set the second would win silently."""
    small.release(1)
    context = multiprocessing.get_context("fork")
    barrier, written = context.Barrier(2), context.Value("i", 0)
    writers = [
        context.Process(target=_race, args=(small.uri, one, barrier, written)) for one in ((2, 4), (3, 1))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert written.value == ROUNDS
    assert [plan.sequence for plan in small.control.plans(PRODUCT)] == list(range(1, written.value + 2))


def test_a_lost_update_behind_a_server_is_found(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = MlflowRegistryTags(small.uri)

    def another_writes(_: float) -> None:
        SqliteRegistryTags(small.file).change(
            PRODUCT, RegistryChange(guard=(PLAN_TAG, "ours"), model_tags={PLAN_TAG: "theirs"})
        )

    monkeypatch.setattr("time.sleep", another_writes)
    change = RegistryChange(guard=(PLAN_TAG, None), model_tags={PLAN_TAG: "ours"}, aliases={"champion": 3})
    assert not tags.change(PRODUCT, change)
    assert tags.model_tags(PRODUCT)[PLAN_TAG] == "theirs"
    found = tags.version(PRODUCT, 3)
    assert found is not None
    assert found.aliases == ()


def test_a_change_that_fails_midway_leaves_nothing(small: SmallRegistry) -> None:
    tags = SqliteRegistryTags(small.file)
    unknown = RegistryChange(guard=("a", None), model_tags={"a": "1"}, version_tags={9: {"note": "x"}})
    with pytest.raises(RegistryError, match="does not answer"):
        tags.change(PRODUCT, unknown)
    assert tags.model_tags(PRODUCT) == {}


def test_another_schema_is_left_to_mlflow(small: SmallRegistry) -> None:
    with sqlite3.connect(small.file) as connection:
        connection.execute("ALTER TABLE registered_model_tags ADD COLUMN later TEXT")
    assert isinstance(open_registry_tags(small.uri), MlflowRegistryTags)


def test_looking_for_a_registry_creates_none(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is no registry"):
        open_registry_tags(f"sqlite:///{tmp_path}/mlflow.db")
    assert not list(tmp_path.iterdir())


def test_a_rollback_loads_neither_mlflow_nor_polars() -> None:
    code = (
        "import sys, mlops_assets.cli, mlops_assets.catalogue, mlops_assets.commands.release; "
        "print([name for name in ('mlflow', 'polars', 'pandera', 'dagster', 'lightgbm') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
