"""The release record: one order for all, compare-and-set, what is taken over from before, and MLflow as its mirror."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import RegistryError, ReleaseRefusedError, TableError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import PAST_PLAN_TAG, PLAN_TAG, RECORD_TAG
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import Decision, decision_to_tag
from mlops_assets.core.release.plan import Arm, Order, ReleasePlan, release, rollback, start_canary
from mlops_assets.core.release.record import TABLE, Entry, ReleaseRecord, plan_entry
from mlops_assets.core.release.steps import put_into_plan, roll_back
from mlops_assets_tests.support.homes.plans import write_plan
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


def test_plans_and_decisions_are_one_ordered_table_that_a_person_can_query(small: SmallRegistry) -> None:
    put(small.control, 1)
    small.decide("approved", 2, by="bob", reason="looked at it")
    put(small.control, 2)
    roll_back(small.control, PRODUCT, order=Order(NOON, "cy", "errors"))
    table = DeltaTables(small.tables_uri).read(PRODUCT, TABLE).sort("sequence")
    assert table.select("sequence", "kind", "version", "by").rows() == [
        (1, "plan", 1, "ann"),
        (2, "approved", 2, "bob"),
        (3, "plan", 2, "ann"),
        (4, "plan", 1, "cy"),
        (5, "rejected", 2, "cy"),
    ]
    assert table["reason"].to_list()[1] == "looked at it"
    assert table["at"].dtype == pl.Datetime("us", "UTC")
    assert table["evidence"][1] == table["evidence"][2] == small.control.version(PRODUCT, 2).evidence
    assert json.loads(table["plan"][3])["mode"] == "rollback"


def test_every_version_of_the_table_is_a_beginning_of_the_next(small: SmallRegistry) -> None:
    for version in (1, 2, 3):
        put(small.control, version)
        small.decide("approved", version, reason=f"seen {version}")
    tables = DeltaTables(small.tables_uri)
    versions = [
        tables.read(PRODUCT, TABLE, version=number).sort("sequence")
        for number in range(tables.delta(PRODUCT, TABLE).version() + 1)
    ]
    assert [rows.height for rows in versions] == [1, 2, 3, 4, 5, 6]
    for before, after in pairwise(versions):
        assert after.head(before.height).equals(before)
    assert len(tables.delta(PRODUCT, TABLE).file_uris()) == 1, "a reader opens one file"


def test_an_entry_of_a_kind_that_is_not_known_here_is_kept_and_left_alone(small: SmallRegistry) -> None:
    judgement = Entry("judgement", NOON, "judge", "hold", 2, "abc", detail={"requests": 12})
    put(small.control, 1)
    small.control.change(PRODUCT, lambda _: (judgement,))
    put(small.control, 2)
    record = small.control.record(PRODUCT)
    assert record.entries[1] == judgement
    assert record.decisions(2) == ()


def test_a_reader_with_an_open_control_sees_what_others_write(small: SmallRegistry) -> None:
    reader = small.control
    assert reader.standing(PRODUCT) is None
    for version in (1, 2):
        put(small.control, version)
        plan = reader.standing(PRODUCT)
        assert plan is not None
        assert plan.champion.version == version
    assert reader.record(PRODUCT) is reader.record(PRODUCT), "what did not change is not read again"


def test_a_rejection_made_while_a_release_runs_is_seen_by_it(small: SmallRegistry) -> None:
    put(small.control, 1)
    control = small.control
    before = control.record(PRODUCT)
    original, looks = control.record, []

    def record(product: str) -> ReleaseRecord:
        looks.append(product)
        return before if len(looks) == 1 else original(product)

    small.decide("rejected", 2, by="bob", reason="found a leak")
    control.record = record  # type: ignore[method-assign]  # it looked before the rejection was there
    with pytest.raises(ReleaseRefusedError, match="found a leak"):
        put(control, 2)
    assert len(looks) > 1
    assert small.standing().champion.version == 1


def test_what_follows_from_a_plan_is_not_decided_again_under_another_one(small: SmallRegistry) -> None:
    for version in (1, 2, 3):
        put(small.control, version)
    control, seen = small.control, []

    def too_late(record: ReleaseRecord) -> Sequence[Entry]:
        if not seen:
            roll_back(small.control, PRODUCT, order=Order(NOON, "them", "errors"))
        seen.append(record)
        return (plan_entry(rollback(record.standing, Order(NOON, "us", "errors")), []),)

    with pytest.raises(RegistryError, match=r"changed meanwhile, plan 4 by them \(errors\) stands now"):
        control.change(PRODUCT, too_late)
    assert small.standing().champion.version == 2, "one step back, not two"


def test_a_decision_beside_another_decision_is_written_after_it(small: SmallRegistry) -> None:
    put(small.control, 1)
    control, seen = small.control, []

    def decided(record: ReleaseRecord) -> Sequence[Entry]:
        if not seen:
            small.decide("approved", 2)
        seen.append(record)
        return (Entry("approved", NOON, "us", "seen", 3, "e"),)

    control.change(PRODUCT, decided)
    assert [entry.by for entry in control.record(PRODUCT).entries] == ["ann", "bob", "us"]


def test_a_plan_that_skips_one_is_refused(small: SmallRegistry) -> None:
    first = release(None, ORDER, version=1)
    with pytest.raises(RegistryError, match="plan 2 cannot follow plan 0"):
        write_plan(small.control, PRODUCT, release(first, ORDER, version=2))
    with pytest.raises(RegistryError, match="has no version 9"):
        write_plan(small.control, PRODUCT, release(None, ORDER, version=9))


def test_the_same_decision_twice_is_one(small: SmallRegistry) -> None:
    for _ in range(2):
        small.decide("approved", 2)
    assert len(small.control.record(PRODUCT).decisions(2)) == 1


def test_a_version_is_as_it_was_when_it_entered_the_plan(small: SmallRegistry) -> None:
    put(small.control, 1)
    before = small.control.record(PRODUCT).released_version(1)
    small.registry.set_version_tags(PRODUCT, 1, {"mlops/threshold": "0.9"})
    mlflow_client(small.uri).delete_model_version(PRODUCT, "1")
    assert small.control.record(PRODUCT).released_version(1) == before
    assert before.tags["mlops/threshold"] == "0.1"
    with pytest.raises(RegistryError, match="knows nothing of version 2"):
        small.control.record(PRODUCT).released_version(2)


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
    assert small.control.repair(PRODUCT) == ()
    assert shown(small) == {"champion": 1}
    assert client.get_registered_model(PRODUCT).tags[PLAN_TAG] == plan.to_json()


def test_a_version_that_was_deleted_in_mlflow_is_told_and_goes_on_being_released(
    small: SmallRegistry,
) -> None:
    put(small.control, 1)
    mlflow_client(small.uri).delete_model_version(PRODUCT, "1")
    (told,) = small.control.repair(PRODUCT)
    assert "set_registered_model_alias champion 1" in told
    assert small.standing().champion.version == 1


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


def before_the_record(small: SmallRegistry) -> tuple[list[ReleasePlan], Decision]:
    """Tags as they were written while MLflow held plan and decisions: see `test_takeover.py` for a whole home."""
    client = mlflow_client(small.uri)
    plans = [release(None, Order(NOON, "ann", "first"), version=1)]
    plans.append(start_canary(plans[0], Order(NOON + timedelta(hours=2), "ann", "trial"), version=2))
    client.set_registered_model_tag(PRODUCT, f"{PAST_PLAN_TAG}/000001", plans[0].to_json())
    client.set_registered_model_tag(PRODUCT, PLAN_TAG, plans[1].to_json())
    decision = Decision("approved", "bob", "looked", NOON + timedelta(hours=1), "e")
    client.set_model_version_tag(PRODUCT, "2", *decision_to_tag(decision))
    return plans, decision


def test_what_only_tags_held_is_shown_by_reading_and_written_down_by_the_first_change(
    small: SmallRegistry,
) -> None:
    plans, decision = before_the_record(small)
    record = small.control.record(PRODUCT)
    assert [entry.kind for entry in record.entries] == ["plan", "approved", "plan"]
    assert record.plans == tuple(plans)
    assert record.decisions(2) == (decision,)
    assert not (Path(small.tables_uri) / PRODUCT).exists(), "nothing is written by looking"
    done = roll_back(small.control, PRODUCT, order=Order(NOON + timedelta(hours=3), "cy", "errors"))
    assert (done.plan.sequence, done.rejected) == (3, (2,))
    assert [plan.sequence for plan in small.control.record(PRODUCT).plans] == [1, 2, 3]
    tags = mlflow_client(small.uri).get_registered_model(PRODUCT).tags
    assert not [name for name in tags if name.startswith(PAST_PLAN_TAG)]
    small.control.take_over(PRODUCT)
    assert len(small.control.record(PRODUCT).entries) == 5, "once"


def test_a_row_that_was_edited_is_found(small: SmallRegistry) -> None:
    put(small.control, 1)
    put(small.control, 2)
    tables = DeltaTables(small.tables_uri)
    rows = tables.read(PRODUCT, TABLE).filter(pl.col("sequence") > 1)
    rows.write_delta(tables.uri(PRODUCT, TABLE), mode="overwrite")
    with pytest.raises(TableError, match="it was edited"):
        small.control.record(PRODUCT)


def test_a_rollback_loads_neither_mlflow_nor_polars(small: SmallRegistry) -> None:
    put(small.control, 1)
    put(small.control, 2)
    code = (
        "import sys, os; from pathlib import Path; from datetime import datetime, UTC;"
        "import mlops_assets.cli, mlops_assets.catalogue, mlops_assets.commands.release as commands;"
        "from mlops_assets.core.settings import load_settings; from mlops_assets.core.release.plan import Order;"
        "commands.mirror_in_background = lambda *_: None;"
        f"settings = load_settings({{'MLOPS_HOME': {str(small.root)!r}}}, working_directory=Path.cwd());"
        f"done = commands.run_rollback(settings, {PRODUCT!r}, to_version=None, "
        "order=Order(datetime.now(UTC), 'ann', 'errors'));"
        "heavy = ('mlflow', 'polars', 'pandera', 'dagster', 'lightgbm', 'pyarrow');"
        "print(done.plan.champion.version, [name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "1 []"
    assert small.standing().arms == (Arm(1, 100, "champion"),)
