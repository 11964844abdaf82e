"""Ingestion: whatever the order of days, the same events; corrections are versions, and an id is one event's."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pandera.polars as pa
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.core.contracts.contract import conform, with_event_date
from mlops_assets.core.ingestion.judge_days import IngestedDays, Ingestion, ingest_days
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

UtcTime = Annotated[pl.Datetime, "us", "UTC"]
FIRST = date(2024, 1, 1)
COMMIT = CommitInfo("run", "1")
SHOP = "shop"


class Order(pa.DataFrameModel):
    order_id: str
    event_timestamp: UtcTime
    known_at: UtcTime
    amount: int = pa.Field(ge=0)


class Ticket(Order):
    ticket: int = pa.Field(unique=True, nullable=True)


Row = tuple[str, int, int, int, int | None]
"""Order id, day, days until known, amount, ticket."""


def frame(rows: Sequence[Row], schema: type[pa.DataFrameModel] = Ticket) -> pl.DataFrame:
    def at(days: int) -> datetime:
        return datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=days)

    data = [(i, at(day), at(day + late), amount, ticket) for i, day, late, amount, ticket in rows]
    types = {name: column.dtype.type for name, column in Ticket.to_schema().columns.items()}
    all_columns = pl.DataFrame(data, schema=["order_id", "event_timestamp", "known_at", "amount", "ticket"],
                               schema_overrides=types, orient="row")  # fmt: skip
    return all_columns.select(list(schema.to_schema().columns))


class Home:
    """A lakehouse of raw rows, ingested day by day."""

    def __init__(self, root: Path, schema: type[pa.DataFrameModel] = Ticket) -> None:
        self.tables = DeltaTables(str(root))
        self.schema = schema

    def deliver(self, rows: Sequence[Row], days: DayRange) -> list[IngestedDays]:
        raw = with_event_date(conform(frame(rows, self.schema), self.schema, subject=SHOP))
        self.tables.write(SHOP, "raw_events", raw.filter(days.contains()), days=days, commit=COMMIT)
        return ingest_days(
            Ingestion(self.tables, SHOP, self.schema, "order_id", lambda _: (COMMIT, COMMIT)), days
        )

    def read(self, table: str) -> list[tuple]:
        rows = self.tables.read(SHOP, table)
        return sorted(map(str, rows.rows()))


def day(number: int, days: int = 1) -> DayRange:
    first = FIRST + timedelta(days=number)
    return DayRange(first, first + timedelta(days=days))


rows = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.integers(0, 3),
        st.sampled_from([-1, 1, 2]),
        st.sampled_from([None, None, 7, 8]),
    ),
    max_size=7,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, rows, st.permutations([0, 1, 2]), st.permutations([0, 1, 2]), st.booleans())
def test_days_in_any_order_and_redelivered_give_the_same_tables_as_all_at_once(
    given_rows: list[Row], earlier: list[Row], order: list[int], again: list[int], has_earlier: bool
) -> None:
    with TemporaryDirectory() as folder:
        whole, pieces = Home(Path(folder) / "whole"), Home(Path(folder) / "pieces")
        whole.deliver(given_rows, day(0, 3))
        if has_earlier:  # another delivery came before, and was replaced
            for number in again:
                pieces.deliver(earlier, day(number))
        for number in order:
            pieces.deliver(given_rows[::-1], day(number))
        for table in ("events", "rejected_events"):
            assert pieces.read(table) == whole.read(table)


def test_the_row_that_was_known_first_keeps_the_id_whatever_day_came_first(tmp_path: Path) -> None:
    home = Home(tmp_path, Order)
    home.deliver([("a", 2, 0, 1, None), ("b", 2, 0, 1, None)], day(2))
    other, mine = home.deliver([("a", 0, 1, 5, None)], day(0))
    assert (other.days, mine.days) == (day(2), day(0))
    assert other.events["order_id"].to_list() == ["b"]
    assert other.rejected["reasons"].to_list() == [["order_id: unique, got a"]]
    assert mine.events["amount"].to_list() == [5]
    other, mine = home.deliver([], day(0))
    assert other.events["order_id"].sort().to_list() == ["a", "b"]
    assert mine.events.is_empty()


def test_a_correction_is_a_version_and_a_copy_or_a_contradiction_is_rejected(tmp_path: Path) -> None:
    home = Home(tmp_path, Order)
    told = [("a", 0, 0, 1, None), ("a", 0, 2, 3, None), ("a", 0, 2, 3, None), ("a", 0, 0, 9, None)]
    (mine,) = home.deliver(told, day(0))
    assert mine.events.sort("known_at")["amount"].to_list() == [1, 3]
    assert mine.rejected["reasons"].to_list() == [["order_id: unique, got a"]] * 2
    assert mine.rejected["amount"].sort().to_list() == [3, 9]


def test_an_ordinary_day_reads_no_other_days_files(tmp_path: Path, monkeypatch) -> None:
    home = Home(tmp_path, Order)
    for number in range(3):
        home.deliver([(f"{number}-{n}", number, 0, n, None) for n in range(5)], day(number))
    for part in (tmp_path / SHOP / "events").glob("event_date=*/*.parquet"):
        if "2024-01-03" not in str(part):
            part.unlink()
    (mine,) = home.deliver([(f"2-{n}", 2, 0, n, None) for n in range(7)], day(2))
    assert mine.events.height == 7
