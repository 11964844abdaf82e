"""The table of release plans: one row per plan, the same however often it is made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.release.history import SCHEMA, TABLE, write_history
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets_tests.support.homes.home import COMMIT

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLANS = (
    ReleasePlan("blue_green", (Arm(1, 100, "champion"),), NOON, "ann", "first", {}, 1, None),
    ReleasePlan(
        "canary",
        (Arm(1, 95, "champion"), Arm(2, 5, "challenger")),
        NOON + timedelta(hours=1),
        "bob",
        "trial",
        {},
        2,
        None,
    ),
)


def test_each_plan_is_a_row_with_what_people_ask_for(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    rows = write_history(tables, "shop", PLANS, commit=COMMIT)
    assert dict(rows.schema) == SCHEMA
    assert rows.select("sequence", "champion_version", "other_version", "other_percent", "by").rows() == [
        (1, 1, None, None, "ann"), (2, 1, 2, 5, "bob")
    ]  # fmt: skip
    assert [ReleasePlan.from_json(text) for text in rows["plan"]] == list(PLANS)
    assert tables.read("shop", TABLE).sort("sequence").equals(rows)


def test_making_it_again_writes_nothing_and_a_further_plan_one_row_more(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    write_history(tables, "shop", PLANS[:1], commit=COMMIT)
    write_history(tables, "shop", PLANS[:1], commit=COMMIT)
    assert tables.version("shop", TABLE) == 0
    assert write_history(tables, "shop", PLANS, commit=COMMIT).height == 2


def test_before_the_first_release_the_table_is_empty_and_there(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    assert write_history(tables, "shop", (), commit=COMMIT).is_empty()
    assert tables.read("shop", TABLE).schema == SCHEMA
