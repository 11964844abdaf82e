"""Tables in folders of any name: written, read, replaced and listed; or refused by the first call."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import ConfigurationError, TableError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.location import table_uri
from mlops_assets.core.lakehouse.retention import plan_table_retention
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

FIRST = date(2024, 1, 1)
COMMIT = CommitInfo("run", "1")
NAMES = ("plain", "my data", "team #1", "50% done", "Müller", "a+b", "a&b", "what?", "a'b", "x{y}", "日本", '"q"',
         "a;b", "a*b", "<b>", "~t", "a:b", "a,b", "(1)")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name_holds_tables(tmp_path: Path, name: str) -> None:
    tables = DeltaTables(str(tmp_path / name / "tables"))
    days = [DayRange(FIRST + timedelta(n), FIRST + timedelta(n + 1)) for n in range(2)]
    for number, day in enumerate(days):
        rows = pl.DataFrame({"event_date": [day.first] * 3, "x": [number] * 3})
        tables.write("shop", "orders", rows, days=day, commit=COMMIT)
    wider = pl.DataFrame({"event_date": [FIRST], "x": [7], "y": [1.5]})
    tables.write("shop", "orders", wider, days=days[0], commit=COMMIT, allow_new_columns=True)
    again = tables.write("shop", "orders", wider, days=days[0], commit=COMMIT)
    assert not again.changed
    stored = tables.read("shop", "orders")
    assert set(stored.columns) == {"event_date", "x", "y"}
    assert stored["x"].to_list() == [7, 1, 1, 1]
    assert tables.read("shop", "orders", days=days[1], columns=["x", "y"]).rows() == [(1, None)] * 3
    assert tables.read("shop", "orders", version=0)["x"].to_list() == [0, 0, 0]
    assert tables.names("shop") == ("orders",)
    tables.append("shop", "history", wider, commit=COMMIT)
    tables.append("shop", "history", wider, commit=COMMIT)
    assert tables.read("shop", "history").height == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert plan_table_retention(tables, "shop", now=datetime(2999, 1, 1, tzinfo=UTC), keep_days=1)


@pytest.mark.parametrize("name", ["[x]", "50%25 done", "a^b", "a|b", "a\\b", "a=b"])
def test_a_folder_that_delta_cannot_read_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    tables = DeltaTables(str(tmp_path / name))
    rows = pl.DataFrame({"x": [1]})
    with pytest.raises(
        ConfigurationError, match=r"MLOPS_TABLES_URI or MLOPS_HOME: tables cannot lie in .*; choose another"
    ):
        tables.write("shop", "orders", rows, days=None, commit=COMMIT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", ["/data/tables", "/data/tables/", "s3://bucket/tables"])
def test_a_table_lies_below_its_product(root: str) -> None:
    assert table_uri(root, "shop", "events") == f"{root.rstrip('/')}/shop/events"


@pytest.mark.parametrize("name", ["", "..", "Events", "a/b", "1st", "a-b", "a\n", "é"])
def test_a_name_that_cannot_be_a_folders_on_every_store_is_refused(name: str) -> None:
    for product, table in ((name, "events"), ("shop", name)):
        with pytest.raises(TableError, match="cannot name a table"):
            table_uri("/data", product, table)
