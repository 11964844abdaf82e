"""A ledger: rows in one order, added by compare-and-set, in a folder and in an object store."""

import multiprocessing
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable, write_deltalake

from benchmarks.release_races.places import s3_server
from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.ledger import NEVER_WRITTEN, ColumnType, Ledger, Row, stored_column
from mlops_assets.core.lakehouse.retention import apply_table_retention, plan_table_retention
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

COLUMNS: dict[str, ColumnType] = {"number": "integer", "text": "text", "at": "time"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTES = {"run_id": "ann", "code_version": "1"}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as options:
        yield options


@pytest.fixture(params=["folder", "object_store"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    if request.param == "folder":
        return Ledger(str(tmp_path / "shop" / "decisions"), COLUMNS)
    options = request.getfixturevalue("options")
    return Ledger(f"s3://lake/{tmp_path.name}/shop/decisions", COLUMNS, options)


def another(ledger: Ledger) -> Ledger:
    return Ledger(ledger.uri, ledger.columns, ledger.storage_options)


def row(number: int, text: str | None = "x") -> Row:
    return {"number": number, "text": text, "at": NOON + timedelta(microseconds=number)}


def test_rows_come_back_as_they_were_added_and_in_that_order(ledger: Ledger) -> None:
    assert ledger.read() == NEVER_WRITTEN
    rows = [row(1), row(2, None), row(3, "ü")]
    for one in rows:
        assert ledger.extend(ledger.read(), [one], notes=NOTES)
    for reader in (ledger, another(ledger)):
        state = reader.read()
        assert (list(state.rows), state.version) == (rows, 2)
        assert reader.read() is state or reader.read() == state
    assert ledger.extend(ledger.read(), [row(4), row(5)], notes=NOTES)
    assert len(another(ledger).read().rows) == 5


def test_a_time_of_another_zone_is_the_same_moment(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "t"), COLUMNS)
    local = NOON.astimezone(timezone(timedelta(hours=5)))
    ledger.extend(ledger.read(), [{"number": 1, "text": "", "at": local}], notes={})
    at = another(ledger).read().rows[0]["at"]
    assert at == NOON
    assert isinstance(at, datetime)
    assert at.tzinfo is UTC


def test_what_was_decided_on_an_earlier_state_is_not_written(ledger: Ledger) -> None:
    nothing = ledger.read()
    assert ledger.extend(nothing, [row(1, "first")], notes=NOTES)
    assert not another(ledger).extend(nothing, [row(1, "second creator")], notes=NOTES)
    first = ledger.read()
    assert another(ledger).extend(first, [row(2, "theirs")], notes=NOTES)
    assert not ledger.extend(first, [row(2, "ours")], notes=NOTES)
    assert [one["text"] for one in ledger.read().rows] == ["first", "theirs"]


def test_the_same_rows_on_the_same_state_count_as_written(ledger: Ledger) -> None:
    """As after a commit whose answer was lost."""
    nothing = ledger.read()
    for _ in range(2):
        assert another(ledger).extend(nothing, [row(1)], notes=NOTES)
    assert len(ledger.read().rows) == 1


def test_maintenance_in_between_is_a_lost_race_and_changes_no_row(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    ledger = Ledger(tables.uri("shop", "decisions"), COLUMNS)
    for number in (1, 2, 3):
        ledger.extend(ledger.read(), [row(number)], notes=NOTES)
    before = ledger.read()
    plans = plan_table_retention(tables, "shop", now=datetime.now(UTC) + timedelta(days=40), keep_days=30)
    assert len(plans[0].files) == 2, "files of earlier versions are let go"
    apply_table_retention(tables, plans, commit=CommitInfo(run_id="gc", code_version="1"))
    assert not ledger.extend(before, [row(4)], notes=NOTES)
    assert ledger.extend(ledger.read(), [row(4)], notes=NOTES)
    assert [one["number"] for one in another(ledger).read().rows] == [1, 2, 3, 4]
    assert tables.history("shop", "decisions")[0]["run_id"] == "ann"


def test_another_table_in_the_same_place_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "t"), COLUMNS)
    ledger.extend(ledger.read(), [row(1, "old")], notes=NOTES)
    old = ledger.read()
    shutil.rmtree(ledger.uri)
    assert ledger.read() == NEVER_WRITTEN
    another(ledger).extend(NEVER_WRITTEN, [row(1, "new")], notes=NOTES)
    new = ledger.read()
    assert (new.rows[0]["text"], new.version) == ("new", old.version)
    assert new.table_id != old.table_id


@pytest.mark.parametrize("harm", ["log", "data"])
def test_a_damaged_table_is_named(tmp_path: Path, harm: str) -> None:
    ledger = Ledger(str(tmp_path / "t"), COLUMNS)
    ledger.extend(ledger.read(), [row(1)], notes=NOTES)
    file = next(tmp_path.rglob("*.json" if harm == "log" else "*.parquet"))
    file.write_text("garbage")
    with pytest.raises(TableError, match=str(tmp_path)):
        another(ledger).read()


def test_a_store_that_is_away_is_named(tmp_path: Path) -> None:
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "max_retries": "0",
    }
    with pytest.raises(TableError, match="s3://lake/t cannot be opened"):
        Ledger("s3://lake/t", COLUMNS, options).read()


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "t"), {"number": "integer", "text": "text"})
    ledger.extend(ledger.read(), [{"number": 1, "text": "x"}], notes={})
    with pytest.raises(TableError, match="has no column at"):
        Ledger(ledger.uri, COLUMNS).read()


def test_a_text_column_of_any_table_is_read(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "t"), COLUMNS)
    assert stored_column(ledger.uri, "text", storage_options={}) == []
    ledger.extend(ledger.read(), [row(1), row(2, "y")], notes={})
    assert sorted(stored_column(ledger.uri, "text", storage_options={})) == ["x", "y"]


def _create(uri: str, barrier: "Barrier", name: str) -> None:
    ledger = Ledger(uri, COLUMNS)
    for number in range(10):
        one = Ledger(f"{uri}/{number}", COLUMNS)
        state = one.read()
        barrier.wait(60)
        one.extend(state, [row(1, name)], notes={})
        barrier.wait(60)
        state = one.read()
        barrier.wait(60)
        one.extend(state, [row(2, name)], notes={})
    ledger.read()


def test_of_two_creators_and_of_two_writers_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    writers = [
        context.Process(target=_create, args=(str(tmp_path / "t"), barrier, name)) for name in ("a", "b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    for number in range(10):
        rows = Ledger(str(tmp_path / "t" / str(number)), COLUMNS).read().rows
        assert [one["number"] for one in rows] == [1, 2]


def test_deltalake_lets_a_writer_win_who_came_late_unless_it_is_told_not_to_retry(tmp_path: Path) -> None:
    """Why a commit here is never retried: if this changes, the ledger may be simplified."""
    uri = str(tmp_path / "t")
    write_deltalake(uri, _arrow(1))
    late = DeltaTable(uri)
    write_deltalake(uri, _arrow(2), mode="append")
    write_deltalake(late, _arrow(3), mode="append")
    assert DeltaTable(uri).version() == 2


def _arrow(number: int):
    from arro3.core import Array, DataType, Table

    return Table.from_pydict({"a": Array([number], DataType.int64())})
