"""Delta tables on local disk: what a write replaces, keeps, skips and refuses."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import TableError, TableNotFoundError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

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


def test_a_write_replaces_exactly_its_days(tables: DeltaTables) -> None:
    write(tables, rows([0, 1, 2, 2]), days(0, 3))
    commit = write(tables, rows([1, 1], amount=5.0), days(1, 2))
    assert (commit.version, commit.rows, commit.changed) == (1, 2, True)
    stored = tables.read("shop", "events")
    assert stored.group_by("event_date").agg(pl.len(), pl.col("amount").max()).sort("event_date").rows() == [
        (APRIL, 1, 1.0),
        (APRIL + timedelta(days=1), 2, 5.0),
        (APRIL + timedelta(days=2), 2, 1.0),
    ]


def test_an_equal_write_in_any_order_writes_nothing(tables: DeltaTables) -> None:
    frame = rows([0, 1, 2, 2]).with_columns(
        amount=pl.Series([float("nan"), None, 0.1, 0.2]), reasons=pl.Series([["a", "b"], [], None, ["c"]])
    )
    write(tables, frame, days(0, 3))
    assert not write(tables, frame, days(0, 3)).changed
    assert not write(tables, frame.reverse().select(sorted(frame.columns)), days(0, 3)).changed
    assert len(tables.history("shop", "events")) == 1


@pytest.mark.parametrize(
    "change",
    [
        pl.col("amount") * (1 + 2**-50),
        pl.when(pl.col("id") == 0).then(None).otherwise("amount").alias("amount"),
        pl.col("id") + 1,
    ],
)
def test_the_smallest_change_is_written(tables: DeltaTables, change: pl.Expr) -> None:
    frame = rows([0, 1, 2])
    write(tables, frame, days(0, 3))
    assert write(tables, frame.with_columns(change), days(0, 3)).changed
    assert tables.read("shop", "events").sort("id").equals(frame.with_columns(change))


def test_a_duplicated_row_is_a_change(tables: DeltaTables) -> None:
    write(tables, pl.concat([rows([0])] * 2 + [rows([0], 2.0)]), days(0, 1))
    assert write(tables, pl.concat([rows([0])] + [rows([0], 2.0)] * 2), days(0, 1)).changed


def test_an_empty_frame_creates_the_table_with_its_columns_and_empties_days(tables: DeltaTables) -> None:
    assert write(tables, rows([]), days(0, 1)).changed
    assert tables.schema("shop", "events") == dict(rows([]).schema)
    assert tables.read("shop", "events").is_empty()
    assert tables.day_counts("shop", "events").is_empty()
    assert not write(tables, rows([]), days(3, 4)).changed
    write(tables, rows([0, 1]), days(0, 2))
    assert write(tables, rows([]), days(0, 1)).changed
    assert tables.day_counts("shop", "events").rows() == [(APRIL + timedelta(days=1), 1)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(1, 3), st.lists(st.integers(0, 2), max_size=4), st.integers(0, 1)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_sequence_of_writes_equals_a_dictionary_of_days(tmp_path: Path, writes: list) -> None:
    tables = DeltaTables(str(tmp_path / str(time.perf_counter_ns())))
    oracle: dict[date, pl.DataFrame] = {}
    for first, length, offsets, amount in writes:
        when = days(first, first + length)
        frame = rows([first + offset % length for offset in offsets], float(amount))
        before = dict(oracle)
        oracle = {day: part for day, part in oracle.items() if not when.first <= day < when.end}
        oracle |= {key[0]: part for key, part in frame.group_by("event_date")}
        is_first = not tables.exists("shop", "events")
        unchanged = before.keys() == oracle.keys() and all(
            before[day].sort("id").equals(oracle[day].sort("id")) for day in oracle
        )
        assert write(tables, frame, when).changed == (is_first or not unchanged)
        expected = pl.concat([rows([]), *oracle.values()]).sort("event_date", "id")
        assert tables.read("shop", "events").sort("event_date", "id").equals(expected)


def test_the_version_of_days_changes_only_with_their_rows(tables: DeltaTables) -> None:
    write(tables, rows([0, 1]), days(0, 2))
    write(tables, rows([1], 2.0), days(1, 2))
    assert tables.version("shop", "events") == 1
    assert tables.version("shop", "events", days=days(0, 1)) == 0
    assert write(tables, rows([0]), days(0, 1)).version == 0
    assert tables.version("shop", "events", days=days(1, 2)) == 1
    assert tables.version("shop", "nothing") is None


def test_reading_takes_columns_days_and_an_old_version(tables: DeltaTables) -> None:
    write(tables, rows([0, 1, 2]), days(0, 3))
    write(tables, rows([1], 9.0), days(1, 2))
    read = tables.read("shop", "events", columns=["amount"], days=days(1, 3), version=0)
    assert read.to_dict(as_series=False) == {"amount": [1.0, 1.0]}
    assert tables.read("shop", "events")["event_date"].is_sorted()


def test_a_scan_of_days_opens_only_their_files(tables: DeltaTables) -> None:
    write(tables, rows(list(range(10))), days(0, 10))
    plan = tables.scan("shop", "events", days=days(3, 5)).explain()
    named = {
        f"event_date=2018-04-{day:02d}" for day in range(1, 11) if f"event_date=2018-04-{day:02d}" in plan
    }
    assert named == {"event_date=2018-04-04", "event_date=2018-04-05"}


def test_what_does_not_exist_is_named(tables: DeltaTables) -> None:
    with pytest.raises(
        TableNotFoundError, match=r"shop/events was never written .* materialize asset shop/events"
    ):
        tables.read("shop", "events")
    write(tables, rows([0]), days(0, 1))
    with pytest.raises(TableError, match="version 9"):
        tables.read("shop", "events", version=9)
    with pytest.raises(TableError, match="no column colour; it has id, amount, event_date"):
        tables.read("shop", "events", columns=["colour"])
    with pytest.raises(TableError, match="not partitioned by known_date"):
        tables.read("shop", "events", days=DayRange(APRIL, APRIL + timedelta(days=1), "known_date"))
    with pytest.raises(TableError, match="cannot name a table"):
        tables.read("shop", "../events")


def test_appended_rows_join_the_stored_ones_and_must_fit(tables: DeltaTables) -> None:
    for number in range(3):
        tables.append("shop", "release", pl.DataFrame({"number": [number]}), commit=COMMIT)
    assert sorted(tables.read("shop", "release")["number"]) == [0, 1, 2]
    assert not tables.append(
        "shop", "release", pl.DataFrame({"number": []}, schema={"number": pl.Int64}), commit=COMMIT
    ).changed
    with pytest.raises(TableError, match="number: expected Int64, found String"):
        tables.append("shop", "release", pl.DataFrame({"number": ["3"]}), commit=COMMIT)


def test_the_history_tells_who_wrote_what(tables: DeltaTables) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    write(tables, rows([0]), days(0, 1))
    tables.write("shop", "events", rows([1]), days=days(1, 2), commit=CommitInfo("run-2", "8"))
    newest, oldest = tables.history("shop", "events")
    assert (newest["version"], newest["run_id"], newest["code_version"], newest["inputs"]) == (
        1,
        "run-2",
        "8",
        None,
    )
    assert (oldest["run_id"], oldest["inputs"], oldest["days"]) == (
        "run-1",
        "raw_events@3",
        "2018-04-01/2018-04-02",
    )
    assert before < oldest["at"] < datetime.now(UTC) + timedelta(seconds=1)
    assert tables.last_commit_info("shop", "events") == CommitInfo("run-2", "8")
    assert tables.names("shop") == ("events",)
    assert tables.names("nobody") == ()
