"""One write to a table: what it takes, what it refuses, what it leaves alone, and its retries after a lost race."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyarrow.parquet import ParquetFile

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import MAXIMUM_ATTEMPTS, CommitInfo, Replacement, with_retries

COMMIT = CommitInfo(run_id="run-1", code_version="7", inputs="raw_events@3")
APRIL = date(2018, 4, 1)


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path))


def days(first: int, end: int) -> DayRange:
    """Days of April 2018, counted from 0."""
    return DayRange(APRIL + timedelta(days=first), APRIL + timedelta(days=end))


def rows(day_numbers: list[int], amount: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": range(len(day_numbers)),
            "amount": [amount] * len(day_numbers),
            "event_date": [APRIL + timedelta(days=number) for number in day_numbers],
        },
        schema={"id": pl.Int64, "amount": pl.Float64, "event_date": pl.Date},
    )


def write(tables: DeltaTables, frame: pl.DataFrame, when: DayRange | None, **options):
    return tables.write("shop", "events", frame, days=when, commit=COMMIT, **options)


def test_rows_that_two_creators_derive_at_once_are_added_once(tables: DeltaTables) -> None:
    def derive(stored: DeltaTable | None) -> tuple[pl.DataFrame, CommitInfo]:
        if stored is None:
            barrier.wait(timeout=30)  # both have seen that there is no table
            return rows([0, 0]), COMMIT
        return rows([]), COMMIT

    for number in range(20):
        barrier = threading.Barrier(2)
        table = f"created_{number}"
        with ThreadPoolExecutor(2) as pool:
            ends = [
                pool.submit(tables.append_derived, "shop", table, derive, day_column="event_date")
                for _ in range(2)
            ]
        assert sorted(end.result().rows for end in ends) == [0, 2]
        assert tables.read("shop", table).height == 2


def test_rows_outside_the_days_are_refused_and_nothing_is_written(tables: DeltaTables) -> None:
    with pytest.raises(TableError, match=r"1 of 2 rows lie outside event_date \[2018-04-01, 2018-04-02\)"):
        write(tables, rows([0, 1]), days(0, 1))
    undated = rows([0, 0]).with_columns(event_date=pl.lit(None, dtype=pl.Date))
    with pytest.raises(TableError, match="2 of 2 rows lie outside"):
        write(tables, undated, days(0, 1))
    assert not tables.exists("shop", "events")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: frame.with_columns(pl.col("amount").cast(pl.String)),
            "amount: expected Float64, found String",
        ),
        (lambda frame: frame.drop("amount"), "missing column amount: expected Float64"),
        (lambda frame: frame.with_columns(colour=pl.lit("red")), "new column colour: String"),
    ],
)
def test_columns_must_fit_the_days_that_stay_but_may_change_with_all_of_them(
    tables: DeltaTables, change, message: str
) -> None:
    write(tables, rows([0, 1]), days(0, 2))
    with pytest.raises(TableError, match=message):
        write(tables, change(rows([1])), days(1, 2))
    assert write(tables, change(rows([0, 1])), days(0, 2)).changed
    assert tables.schema("shop", "events") == dict(change(rows([])).schema)
    assert tables.read("shop", "events").height == 2


def test_a_whole_table_may_change_its_columns(tables: DeltaTables) -> None:
    write(tables, pl.DataFrame({"a": [1]}), None)
    write(tables, pl.DataFrame({"a": ["x"], "b": [1.0]}), None)
    assert tables.read("shop", "events").rows() == [("x", 1.0)]
    assert tables.read("shop", "events", version=0).rows() == [(1,)]


def test_allowed_new_columns_are_null_in_the_days_before(tables: DeltaTables) -> None:
    write(tables, rows([0, 1]), days(0, 2))
    wider = rows([1]).with_columns(colour=pl.lit("red"))
    assert write(tables, wider, days(1, 2), allow_new_columns=True).changed
    assert tables.read("shop", "events", columns=["colour"])["colour"].to_list() == [None, "red"]
    assert not write(tables, wider, days(1, 2), allow_new_columns=True).changed
    with pytest.raises(TableError, match="missing column colour"):
        write(tables, rows([0]), days(0, 1), allow_new_columns=True)


def test_a_table_keeps_its_partitioning(tables: DeltaTables) -> None:
    write(tables, rows([0]), days(0, 1))
    with pytest.raises(
        TableError, match="is partitioned by event_date, but the write replaces the whole table"
    ):
        write(tables, rows([0]), None)


def test_half_a_year_of_days_is_one_quick_commit(tables: DeltaTables) -> None:
    numbers = pl.int_range(200_000, eager=True)
    frame = pl.DataFrame({"id": numbers, "amount": numbers.cast(pl.Float64) * 0.1}).with_columns(
        event_date=APRIL + pl.duration(days=numbers * 7919 % 183)
    )
    started = time.process_time()  # of this process alone: other work on the machine does not count
    write(tables, frame, days(0, 183))
    assert not write(tables, frame, days(0, 183)).changed
    assert time.process_time() - started < 20
    assert tables.day_counts("shop", "events").height == 183
    assert len(tables.history("shop", "events")) == 1


def test_an_overwrite_does_not_keep_rows_that_another_writer_appended_meanwhile(tables: DeltaTables) -> None:
    write(tables, pl.DataFrame({"a": [1]}), None)
    stale = tables.delta("shop", "events")
    tables.append("shop", "events", pl.DataFrame({"a": [2]}), commit=COMMIT)
    with pytest.raises(CommitFailedError):
        Replacement("shop/events", pl.DataFrame({"a": [3]}), None, COMMIT).apply(stale)
    assert sorted(tables.read("shop", "events")["a"]) == [1, 2]


def test_a_late_look_conflicts_for_the_same_days_only(tables: DeltaTables) -> None:
    write(tables, rows([0]), days(0, 1))
    stale = tables.delta("shop", "events")
    write(tables, rows([2], 5.0), days(2, 3))
    with pytest.raises(CommitFailedError):
        Replacement("shop/events", rows([2]), days(2, 3), COMMIT).apply(stale)
    assert Replacement("shop/events", rows([1]), days(1, 2), COMMIT).apply(stale).version == 2
    assert tables.read("shop", "events")["amount"].to_list() == [1.0, 1.0, 5.0]


def test_a_lost_race_is_tried_again_but_not_forever() -> None:
    attempts = []

    def lose():
        attempts.append(1)
        raise CommitFailedError("another writer was quicker")

    with pytest.raises(TableError, match="shop/events: 10 commits in a row lost"):
        with_retries("shop/events", lose)
    assert len(attempts) == MAXIMUM_ATTEMPTS


@pytest.mark.parametrize("how", ["created", "replaced", "appended"])
def test_numbers_are_stored_compressed_and_without_a_dictionary_text_with_one(
    tables: DeltaTables, tmp_path: Path, how: str
) -> None:
    frame = pl.DataFrame({"amount": [1.0, 2.0] * 500, "city": ["Linz", "Graz"] * 500})
    if how == "appended":
        tables.append("shop", "events", frame.head(0), commit=COMMIT)
        tables.append("shop", "events", frame, commit=COMMIT)
    else:
        if how == "replaced":
            write(tables, frame.head(1), None)
        write(tables, frame, None)
    newest = max((tmp_path / "shop" / "events").glob("*.parquet"), key=lambda file: file.stat().st_size)
    group = ParquetFile(newest).metadata.row_group(0)
    columns = {column.path_in_schema: column for column in map(group.column, range(group.num_columns))}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert not columns["amount"].has_dictionary_page
    assert columns["city"].has_dictionary_page


@pytest.mark.parametrize("day_numbers", [[2, 0, 1, 0], [0, 0, 1, 2], []])
def test_rows_are_written_day_by_day_and_copied_only_where_they_are_not_so_yet(
    day_numbers: list[int],
) -> None:
    given = Replacement("shop/events", rows(day_numbers), days(0, 3), COMMIT)
    ordered = given.sorted_by_day()
    assert ordered.rows["event_date"].to_list() == sorted(given.rows["event_date"])
    assert ordered.rows.sort("id").equals(given.rows)
    assert (ordered is given) == (day_numbers == sorted(day_numbers))
