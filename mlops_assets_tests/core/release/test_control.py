"""The release record: one order for all, compare-and-set, what is taken over from before, and MLflow as its mirror."""

import json
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
from mlops_assets.core.registry.tag_names import PAST_PLAN_TAG, PLAN_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import Decision, decision_to_tag
from mlops_assets.core.release.plan import Arm, Order, ReleasePlan, release, rollback, start_canary
from mlops_assets.core.release.record import TABLE, Entry, ReleaseRecord, plan_entry
from mlops_assets.core.release.steps import put_into_plan, roll_back
from mlops_assets_tests.support.homes.small_registry import NOON, ORDER, PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


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


def test_the_same_decision_twice_is_one(small: SmallRegistry) -> None:
    for _ in range(2):
        small.decide("approved", 2)
    assert len(small.control.record(PRODUCT).decisions(2)) == 1


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
