"""Rows that stay the same and are the result of other inputs now: the table says so, and no row is written."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo, TableCommit

ROWS = pl.DataFrame({"name": ["auc"], "value": [0.8]})


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path))


def write(tables: DeltaTables, inputs: str | None, rows: pl.DataFrame = ROWS) -> TableCommit:
    commit = CommitInfo(run_id=f"run of {inputs}", code_version="7", inputs=inputs)
    return tables.write("shop", "evaluation", rows, days=None, commit=commit)


def files(tables: DeltaTables) -> set[Path]:
    return set((Path(tables.root) / "shop" / "evaluation").glob("*.parquet"))


def test_the_newest_inputs_are_told_and_rows_and_their_version_stay(tables: DeltaTables) -> None:
    write(tables, "strict")
    before = files(tables)
    commit = write(tables, "lax")
    assert (commit.changed, commit.version, commit.rows) == (False, 0, 1)
    assert tables.version("shop", "evaluation") == 0
    assert files(tables) == before
    assert tables.read("shop", "evaluation").equals(ROWS)
    assert tables.last_commit_info("shop", "evaluation") == CommitInfo("run of lax", "7", "lax")
    write(tables, "strict")
    assert tables.last_commit_info("shop", "evaluation").inputs == "strict"
    assert tables.version("shop", "evaluation") == 0


def test_the_same_inputs_and_none_at_all_say_nothing_new(tables: DeltaTables) -> None:
    write(tables, "strict")
    for inputs in ("strict", None):
        write(tables, inputs)
        assert tables.delta("shop", "evaluation").version() == 0


def test_other_rows_after_a_statement_are_a_version_of_their_own(tables: DeltaTables) -> None:
    write(tables, "strict")
    write(tables, "lax")
    commit = write(tables, "new", ROWS.with_columns(value=0.9))
    assert (commit.changed, commit.version) == (True, 2)
    assert tables.version("shop", "evaluation") == 2
    assert tables.read("shop", "evaluation", version=1).equals(ROWS)
    assert tables.last_commit_info("shop", "evaluation").inputs == "new"


def test_statements_of_several_writers_at_once_all_arrive(tables: DeltaTables) -> None:
    write(tables, "first")
    with ThreadPoolExecutor(4) as pool:
        commits = list(pool.map(lambda number: write(tables, f"inputs {number}"), range(4)))
    assert [commit.version for commit in commits] == [0] * 4
    said = {entry["inputs"] for entry in tables.history("shop", "evaluation")}
    assert said == {"first", *(f"inputs {number}" for number in range(4))}
    assert tables.read("shop", "evaluation").equals(ROWS)


def test_each_block_of_days_tells_its_own_inputs(tables: DeltaTables) -> None:
    first, second = (DayRange(date(2026, 1, day), date(2026, 1, day + 1)) for day in (1, 2))
    rows = pl.DataFrame({"a": [1], "event_date": [date(2026, 1, 1)]})
    for days, inputs in ((first, "one"), (second, "two"), (first, "other"), (first, "other")):
        block = rows.with_columns(event_date=pl.lit(days.first))
        commit = CommitInfo(run_id="run", code_version="7", inputs=inputs)
        last = tables.write("shop", "features", block, days=days, commit=commit)
    assert (last.changed, last.version) == (False, 0)
    assert tables.delta("shop", "features").version() == 2
    assert tables.last_commit_info("shop", "features", days=first).inputs == "other"
    assert tables.last_commit_info("shop", "features", days=second).inputs == "two"
    assert tables.version("shop", "features", days=second) == 1
    assert tables.read("shop", "features").height == 2
