"""A day's digest stays while its files do, and changes with them alone."""

from datetime import date
from pathlib import Path

import polars as pl

from mlops_assets.core.lakehouse.day_files import day_files
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets_tests.support.homes.home import COMMIT

FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (1, 2, 3))


def _rows(*days: date, value: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"event_date": list(days), "value": [value] * len(days)})


def test_a_written_day_changes_and_no_other(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path / "a b%"))
    tables.write("shop", "events", _rows(FIRST, SECOND), days=DayRange(FIRST, THIRD), commit=COMMIT)
    before = day_files(tables.delta("shop", "events"))
    tables.write("shop", "events", _rows(SECOND, value=1), days=DayRange(SECOND, THIRD), commit=COMMIT)
    after = day_files(tables.delta("shop", "events"))
    assert list(before) == list(after) == [FIRST, SECOND]
    assert (before[FIRST] == after[FIRST], before[SECOND] == after[SECOND]) == (True, False)
    tables.write("shop", "events", _rows(SECOND, value=1), days=DayRange(SECOND, THIRD), commit=COMMIT)
    assert day_files(tables.delta("shop", "events")) == after, "equal rows are not written again"


def test_a_day_without_rows_has_none(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    tables.write(
        "shop",
        "events",
        _rows().cast({"event_date": pl.Date, "value": pl.Int64}),
        days=DayRange(FIRST, THIRD),
        commit=COMMIT,
    )
    assert day_files(tables.delta("shop", "events")) == {}
