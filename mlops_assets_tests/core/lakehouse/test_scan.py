"""A lazy read of a table, in folders of any name."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.scan import scan_table
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets_tests.support.homes.home import COMMIT

DAYS = DayRange(date(2026, 3, 1), date(2026, 3, 4))
ROWS = pl.DataFrame(
    {
        "event_date": [date(2026, 3, 1), date(2026, 3, 3), date(2026, 3, 3)],
        "id": [1, 2, 3],
        "name": ["a", None, "ß"],
    }
)


@pytest.mark.parametrize("folder", ["plain", "with space", "größe", "50%", "a b%"])
@pytest.mark.parametrize("days", [None, DAYS], ids=["whole", "by day"])
def test_rows_and_types_are_those_that_were_written(
    tmp_path: Path, folder: str, days: DayRange | None
) -> None:
    tables = DeltaTables(str(tmp_path / folder))
    tables.write("shop", "events", ROWS, days=days, commit=COMMIT)
    scanned = scan_table(tables.delta("shop", "events"))
    assert dict(scanned.collect_schema()) == dict(tables.read("shop", "events").schema)
    assert scanned.collect().select(ROWS.columns).sort("id").equals(ROWS)
    assert scanned.filter(pl.col("event_date") == date(2026, 3, 3)).collect()["id"].sort().to_list() == [2, 3]


@pytest.mark.parametrize("folder", ["plain", "with space"])
def test_an_empty_table_has_its_columns(tmp_path: Path, folder: str) -> None:
    tables = DeltaTables(str(tmp_path / folder))
    tables.write("shop", "events", ROWS.clear(), days=DAYS, commit=COMMIT)
    assert scan_table(tables.delta("shop", "events")).collect().select(ROWS.columns).equals(ROWS.clear())


@pytest.mark.parametrize("folder", ["plain", "with space"])
def test_columns_that_came_later_are_null_in_the_files_before_them(tmp_path: Path, folder: str) -> None:
    tables = DeltaTables(str(tmp_path / folder))
    first, second = ROWS[:1].drop("name"), ROWS[1:]
    tables.write("shop", "events", first, days=DayRange(date(2026, 3, 1), date(2026, 3, 2)), commit=COMMIT)
    tables.write(
        "shop",
        "events",
        second,
        days=DayRange(date(2026, 3, 2), date(2026, 3, 4)),
        commit=COMMIT,
        allow_new_columns=True,
    )
    assert scan_table(tables.delta("shop", "events")).sort("id").collect()["name"].to_list() == [
        None,
        None,
        "ß",
    ]
