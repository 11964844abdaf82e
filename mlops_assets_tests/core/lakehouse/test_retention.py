"""Retention: which versions stay readable, which files go, and that showing changes nothing."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.retention import apply_table_retention, plan_table_retention
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

COMMIT = CommitInfo(run_id="gc", code_version="1")


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    """Five versions of one table; version n holds the number n."""
    tables = DeltaTables(str(tmp_path))
    for number in range(5):
        write(tables, number)
        time.sleep(0.02)
    return tables


def write(tables: DeltaTables, number: int) -> None:
    tables.write("shop", "events", pl.DataFrame({"number": [number]}), days=None, commit=COMMIT)


def files(tables: DeltaTables) -> set[Path]:
    return set(Path(tables.root).rglob("*.parquet"))


def number(tables: DeltaTables, version: int | None = None) -> int:
    return tables.read("shop", "events", version=version)["number"].item()


def in_days(number_of_days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=number_of_days)


def test_the_plan_names_files_and_bytes_and_deletes_nothing(tables: DeltaTables) -> None:
    before = files(tables)
    (plan,) = plan_table_retention(tables, "shop", now=in_days(40), keep_days=30)
    assert (plan.product, plan.table, plan.kept_versions) == ("shop", "events", (4,))
    planned = {Path(tables.uri("shop", "events")) / name for name in plan.files}
    assert len(planned) == 4
    assert plan.bytes == sum(path.stat().st_size for path in planned)
    assert files(tables) == before
    assert tables.history("shop", "events")[0]["operation"] == "WRITE"


def test_versions_of_the_kept_days_and_the_one_in_force_before_stay(tables: DeltaTables) -> None:
    times = {entry["version"]: entry["at"] for entry in tables.history("shop", "events")}
    between = times[2] + (times[3] - times[2]) / 2
    (plan,) = plan_table_retention(tables, "shop", now=between + timedelta(days=30), keep_days=30)
    assert plan.kept_versions == (2, 3, 4)
    apply_table_retention(tables, [plan], commit=COMMIT)
    assert [number(tables, version) for version in (2, 3, 4, None)] == [2, 3, 4, 4]
    with pytest.raises(FileNotFoundError):
        number(tables, 1)


def test_versions_that_models_point_to_stay_whatever_their_age(tables: DeltaTables) -> None:
    plans = plan_table_retention(tables, "shop", now=in_days(400), keep_days=30, protected={"events": [1]})
    assert apply_table_retention(tables, plans, commit=COMMIT) == plans
    assert (number(tables, 1), number(tables)) == (1, 4)
    with pytest.raises(FileNotFoundError):
        number(tables, 0)


def test_versions_written_after_the_plan_stay(tables: DeltaTables) -> None:
    plans = plan_table_retention(tables, "shop", now=in_days(400), keep_days=30)
    write(tables, 5)
    write(tables, 6)
    apply_table_retention(tables, plans, commit=COMMIT)
    assert [number(tables, version) for version in (4, 5, 6)] == [4, 5, 6]


def test_retention_is_no_change_of_the_data_and_a_second_time_finds_nothing(tables: DeltaTables) -> None:
    plans = plan_table_retention(tables, "shop", now=in_days(40), keep_days=30)
    apply_table_retention(tables, plans, commit=COMMIT)
    assert tables.version("shop", "events") == 4
    assert tables.history("shop", "events")[0]["operation"] == "VACUUM END"
    assert tables.history("shop", "events")[0]["run_id"] == "gc"
    again = plan_table_retention(tables, "shop", now=in_days(40), keep_days=30)
    assert [(plan.files, plan.bytes) for plan in again] == [((), 0)]
    assert apply_table_retention(tables, again, commit=COMMIT) == []
    assert not tables.write("shop", "events", pl.DataFrame({"number": [4]}), days=None, commit=COMMIT).changed


def test_only_old_files_of_killed_writes_go(tables: DeltaTables) -> None:
    folder = Path(tables.uri("shop", "events"))
    old, new = folder / "part-old.parquet", folder / "part-new.parquet"
    for orphan in (old, new):
        orphan.write_bytes(b"unfinished")
    long_ago = time.time() - 31 * 86_400
    os.utime(old, (long_ago, long_ago))
    (plan,) = plan_table_retention(tables, "shop", now=in_days(0), keep_days=30)
    assert plan.files == ("part-old.parquet",)
    apply_table_retention(tables, [plan], commit=COMMIT)
    assert (old.exists(), new.exists()) == (False, True)
    assert number(tables, 0) == 0


def test_an_unsafe_or_impossible_policy_is_refused(tables: DeltaTables) -> None:
    with pytest.raises(TableError, match="keep_days is 0; at least 1 day"):
        plan_table_retention(tables, "shop", now=in_days(0), keep_days=0)
    with pytest.raises(TableError, match=r"versions \[9\] are protected, but the newest is 4"):
        plan_table_retention(tables, "shop", now=in_days(0), keep_days=30, protected={"events": [9]})
    assert plan_table_retention(tables, "nothing", now=in_days(0), keep_days=30) == []
