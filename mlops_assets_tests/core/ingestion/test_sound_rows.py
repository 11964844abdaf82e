"""The stored rows over which identity is judged: those that share a key, wherever they lie."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.contracts.event_identity import EventKeys
from mlops_assets.core.ingestion.sound_rows import REPEATS, SoundRows
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets_tests.support.homes.home import COMMIT

FIRST = date(2026, 3, 1)
KEYS = EventKeys("id", ("event_timestamp",), (("receipt",),))
ALL = DayRange(FIRST, FIRST + timedelta(days=5))


def events(*given_rows: tuple[int, int, str | None]) -> pl.DataFrame:
    """Id, day, receipt."""
    midnight = datetime.combine(FIRST, datetime.min.time(), UTC)
    content = [
        (i, midnight + timedelta(days=day), r, FIRST + timedelta(days=day)) for i, day, r in given_rows
    ]
    schema = {
        "id": pl.Int64,
        "event_timestamp": pl.Datetime("us", "UTC"),
        "receipt": pl.String,
        "event_date": pl.Date,
    }
    return pl.DataFrame(content, schema=schema, orient="row")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SoundRows:
    tables = DeltaTables(str(tmp_path_factory.mktemp("tables")))
    tables.write(
        "shop", "events", events((1, 0, "a"), (2, 1, "b"), (3, 2, None), (4, 4, "c")), days=ALL, commit=COMMIT
    )
    rejected = events((2, 3, "z"), (9, 3, "b"), (8, 3, None)).with_columns(
        reasons=pl.Series([["id: unique, got 2"], ["receipt: unique, got b"], ["amount: greater_than(0)"]])
    )
    tables.write("shop", "rejected_events", rejected, days=ALL, commit=COMMIT)
    return SoundRows(tables, "shop", KEYS)


def found(sound: SoundRows, rows: pl.DataFrame, *outside: DayRange) -> set[tuple]:
    return set(sound.sharing(rows, outside=outside).select("id", "receipt", REPEATS).rows())


def test_rows_share_an_id_or_another_unique_value_with_events_and_with_what_only_repeated(
    sound: SoundRows,
) -> None:
    assert found(sound, events((2, 0, None))) == {(2, "b", None), (2, "z", "id")}
    assert found(sound, events((7, 0, "b"))) == {(2, "b", None), (9, "b", "receipt")}
    assert found(sound, events((8, 0, None))) == set(), "a row that is broken by itself repeats nothing"
    assert found(sound, events((70, 0, "nowhere"))) == set()


def test_days_that_are_written_anew_are_not_looked_at(sound: SoundRows) -> None:
    own = DayRange(FIRST + timedelta(days=1), FIRST + timedelta(days=2))
    assert found(sound, events((2, 1, "b")), own) == {(2, "z", "id"), (9, "b", "receipt")}


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 4), st.sampled_from(["a", "c", None])), max_size=5)
)
def test_no_event_that_shares_a_key_is_overlooked(sound: SoundRows, given_rows: list) -> None:
    asked = events(*given_rows)
    stored = sound.tables.read("shop", "events")
    shared = stored.filter(
        pl.col("id").is_in(asked["id"].implode())
        | pl.col("receipt").is_in(asked["receipt"].drop_nulls().implode())
    )
    assert {key for key in found(sound, asked) if key[2] is None} == {
        (i, r, None) for i, r in shared.select("id", "receipt").rows()
    }


def test_events_of_days_come_in_the_types_of_the_rows_that_ask(sound: SoundRows) -> None:
    like = events().cast({"id": pl.Int32})
    rows = sound.of_days(DayRange(FIRST, FIRST + timedelta(days=2)), like=like)
    assert sorted(rows["id"]) == [1, 2]
    assert rows.schema["id"] == pl.Int32


def test_before_anything_was_written_there_is_nothing_and_versions_say_so(
    tmp_path: Path, sound: SoundRows
) -> None:
    fresh = SoundRows(DeltaTables(str(tmp_path)), "shop", KEYS)
    assert fresh.versions() == (-1, -1)
    assert fresh.sharing(events((1, 0, "a")), outside=[]).is_empty()
    assert fresh.of_days(ALL, like=events()).is_empty()
    assert sound.versions() == (0, 0)
