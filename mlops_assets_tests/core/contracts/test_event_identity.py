"""Which rows are the same event: against a walk over them by hand, and whatever their order."""

from datetime import UTC, datetime, timedelta

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.contracts.event_identity import (
    EventKeys,
    contested_rows,
    event_keys,
    first_versions,
    repeated_rows,
)
from mlops_assets.core.times import KNOWN_AT, UTC_TIME

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = EventKeys("id", (KNOWN_AT, "event_timestamp"), (("receipt",),))
SCHEMA = {
    "id": pl.Int64,
    "event_timestamp": UTC_TIME,
    KNOWN_AT: UTC_TIME,
    "receipt": pl.String,
    "amount": pl.Int64,
}


def rows(*given_rows: tuple[int, int, int, str | None, int]) -> pl.DataFrame:
    """Id, hour, hour known, receipt, amount."""
    hours = [
        (i, NOON + timedelta(hours=at), NOON + timedelta(hours=known), r, a)
        for i, at, known, r, a in given_rows
    ]
    return pl.DataFrame(hours, schema=SCHEMA, orient="row")


def refused(frame: pl.DataFrame) -> list[tuple]:
    """The rows that are refused, with the key for which they are."""
    return sorted(
        (failure.column, *row)
        for failure in repeated_rows(frame, KEYS)
        for row in frame.filter(failure.broken).select("id", "event_timestamp", KNOWN_AT, "amount").rows()
    )


row = st.tuples(
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["a", "b", None]),
    st.integers(0, 1),
)


@settings(deadline=None)
@given(st.lists(row, max_size=8), st.randoms())
def test_what_is_refused_does_not_depend_on_the_order_of_delivery(given_rows: list, random) -> None:
    expected = refused(rows(*given_rows))
    random.shuffle(given_rows)
    assert refused(rows(*given_rows)) == expected


@settings(deadline=None)
@given(st.lists(row, max_size=8))
def test_what_stays_are_events_with_one_time_versions_known_once_and_receipts_of_their_own(
    given_rows: list,
) -> None:
    frame = rows(*given_rows)
    broken = pl.Series([False]).new_from_index(0, frame.height)
    for failure in repeated_rows(frame, KEYS):
        broken |= failure.broken
    kept = frame.filter(~broken)
    assert (
        kept.group_by("id").agg(pl.col("event_timestamp").n_unique())["event_timestamp"].to_list()
        == [1] * kept["id"].n_unique()
    )
    assert not kept.select("id", KNOWN_AT).is_duplicated().any()
    owners = kept.drop_nulls("receipt").group_by("receipt").agg(pl.col("id").n_unique())
    assert owners["id"].to_list() == [1] * owners.height
    assert repeated_rows(kept, KEYS) == []


def test_a_correction_is_a_version_and_another_time_under_the_same_id_is_another_event() -> None:
    first, corrected, other = (1, 0, 0, None, 1), (1, 0, 1, None, 2), (1, 5, 6, None, 3)
    assert refused(rows(corrected, first)) == []
    assert [found[0] for found in refused(rows(other, corrected, first))] == ["id"]


@pytest.mark.parametrize(
    ("receipts", "is_refused"), [(("a", "a"), True), (("a", "b"), False), ((None, None), False)]
)
def test_a_unique_value_belongs_to_the_event_that_was_known_first(receipts: tuple, is_refused: bool) -> None:
    frame = rows((1, 0, 0, receipts[0], 1), (2, 0, 1, receipts[1], 1))
    assert contested_rows(frame, KEYS).to_list() == [is_refused] * 2
    assert [(name, event_id) for name, event_id, *_ in refused(frame)] == (
        [("receipt", 2)] if is_refused else []
    )


def test_keys_are_what_the_contract_says_and_the_id_whether_it_says_so_or_not() -> None:
    class Sale(pa.DataFrameModel):
        id: pl.Int64
        receipt: pl.String = pa.Field(unique=True)
        shop: pl.Int64
        till: pl.Int64

        class Config:
            unique = ["shop", "till"]  # noqa: RUF012 - as Pandera reads it

    found = event_keys(Sale, id_column="id", columns=["id", "receipt", "shop", "till", "event_timestamp"])
    assert found == EventKeys("id", ("event_timestamp",), (("receipt",), ("shop", "till")))
    assert found.checks() == ("id", "receipt", "shop, till")
    assert found.columns == ("id", "event_timestamp", "receipt", "shop", "till")


def test_of_each_event_the_version_that_was_known_first_is_kept() -> None:
    frame = rows((1, 0, 1, None, 2), (2, 0, 0, None, 1), (1, 0, 0, None, 1))
    assert first_versions(frame, id_column="id").select("id", "amount").rows() == [(2, 1), (1, 1)]
    cohort = frame.drop(KNOWN_AT)
    assert first_versions(cohort, id_column="id").equals(cohort)
