"""When a row can have become known."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.contracts.time_of_knowledge import NOT_AFTER_READING, NOT_BEFORE_EVENT, KnownTimes

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def rows(*known: datetime | None) -> pl.DataFrame:
    types = dict.fromkeys(("event_timestamp", "known_at"), pl.Datetime("us", "UTC"))
    return pl.DataFrame({"event_timestamp": [NOON] * len(known), "known_at": known}, schema=types)


@pytest.mark.parametrize("may_precede_event", [False, True])
def test_a_row_is_known_from_its_event_until_it_is_read_both_included(may_precede_event: bool) -> None:
    read_at = NOON + timedelta(hours=1)
    judged = KnownTimes(read_at, may_precede_event=may_precede_event).broken(
        rows(NOON - TICK, NOON, read_at, read_at + TICK, None)
    )
    broken = {one.check: one.broken.arg_true().to_list() for one in judged}
    assert all(one.column == "known_at" for one in judged)
    assert broken == {NOT_AFTER_READING: [3], **({} if may_precede_event else {NOT_BEFORE_EVENT: [0]})}


def test_rows_without_times_and_no_rows_break_nothing() -> None:
    times = KnownTimes(NOON)
    assert times.broken(pl.DataFrame({"patient_id": [1]})) == []
    assert times.broken(rows()) == []
