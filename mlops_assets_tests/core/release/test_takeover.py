"""A home of before the table `decisions`: what its tags and its table `release` held stands in the record, in order.

`tags_before_the_record.json` is what the platform wrote then: a release; a rejection and an approval of version 2; its
canary; a materialized `release`, after which the first plan was in its table only; an advance, a rollback, an
override of version 3, and its shadow.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import ReleaseRefusedError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import DECISION_TAG, PAST_PLAN_TAG, RECORD_TAG
from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags
from mlops_assets.core.release.plan import Arm
from mlops_assets.core.release.record import TABLE
from mlops_assets.core.release.steps import put_into_plan, roll_back
from mlops_assets_tests.support.homes.small_registry import ORDER, PRODUCT, SmallRegistry

RECORDED = json.loads(Path(__file__).with_name("tags_before_the_record.json").read_text())
IN_ORDER = [
    ("plan", 1, "blue_green"),
    ("rejected", 2, None),
    ("approved", 2, None),
    ("plan", 1, "canary"),
    ("plan", 1, "canary"),
    ("plan", 1, "rollback"),
    ("rejected", 2, None),
    ("overridden", 3, None),
    ("plan", 1, "shadow"),
]


@pytest.fixture
def home(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    home = original_registry.copy(tmp_path / "mlflow")
    client = mlflow_client(home.uri)
    for name, value in RECORDED["model_tags"].items():
        client.set_registered_model_tag(PRODUCT, name, value)
    for alias, version in RECORDED["aliases"].items():
        client.set_registered_model_alias(PRODUCT, alias, str(version))
    for version, tags in RECORDED["version_tags"].items():
        for name, value in tags.items():
            client.set_model_version_tag(PRODUCT, version, name, value)
    plans = pl.DataFrame({"plan": RECORDED["release_table"]})
    tables = DeltaTables(home.tables_uri)
    tables.write(PRODUCT, "release", plans, days=None, commit=CommitInfo(run_id="r", code_version="1"))
    return home


def rows(home: SmallRegistry) -> list[tuple[str, int | None, str | None]]:
    entries = home.control.record(PRODUCT).entries
    return [(entry.kind, entry.version, entry.plan.mode if entry.plan else None) for entry in entries]


def test_everything_is_there_in_the_order_in_which_it_happened(home: SmallRegistry) -> None:
    assert rows(home) == IN_ORDER
    assert [plan.sequence for plan in home.control.record(PRODUCT).plans] == [1, 2, 3, 4, 5]
    assert home.standing().arms == (Arm(1, 100, "champion"), Arm(3, 0, "shadow"))


def test_taking_over_writes_it_down_once_and_mlflow_goes_on_showing_it(home: SmallRegistry) -> None:
    before = SqliteRegistryTags(home.file)
    decisions = {version: decided(before, version) for version in (1, 2, 3, 4)}
    for _ in range(2):
        home.control.take_over(PRODUCT)
        assert home.control.repair(PRODUCT) == ()
    assert DeltaTables(home.tables_uri).read(PRODUCT, TABLE).height == len(IN_ORDER)
    assert rows(home) == IN_ORDER
    shown = before.model(PRODUCT)
    assert dict(shown.aliases) == RECORDED["aliases"]
    assert RECORD_TAG in shown.tags
    assert not [name for name in shown.tags if name.startswith(PAST_PLAN_TAG)]
    assert {version: decided(before, version) for version in (1, 2, 3, 4)} == decisions, "none twice"


def test_a_release_rests_on_the_decisions_of_before(home: SmallRegistry) -> None:
    control = home.control
    with pytest.raises(ReleaseRefusedError, match="rejected by ann"):
        put_into_plan(control, control.version(PRODUCT, 2), mode="canary", order=ORDER, approval="automatic")
    done = roll_back(control, PRODUCT, order=ORDER)
    assert (done.plan.sequence, done.plan.champion.version, done.rejected) == (6, 1, (3,))
    refused = ("refused", 2, None)
    assert rows(home) == [*IN_ORDER, refused, ("plan", 1, "rollback"), ("rejected", 3, None)]
    assert control.record(PRODUCT).released_version(1).tags["mlops/threshold"] == "0.1"


def test_a_version_that_was_deleted_in_the_meantime_takes_nothing_else_with_it(home: SmallRegistry) -> None:
    mlflow_client(home.uri).delete_model_version(PRODUCT, "2")
    assert [row for row in rows(home) if row[0] == "plan"] == [row for row in IN_ORDER if row[0] == "plan"]
    assert not home.control.record(PRODUCT).has_released(2)


def decided(tags: SqliteRegistryTags, version: int) -> set[str]:
    found = tags.version(PRODUCT, version)
    assert found is not None
    return {name for name in found.tags if name.startswith(f"{DECISION_TAG}/")}
