"""Which days of a source differ from what is stored of them."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from mlops_assets.core.ingestion.changed_days import content_by_day, differing, facts_by_day, look_at_days

FIRST = date(2024, 1, 1)
SECOND = FIRST + timedelta(days=1)


def rows(*events: tuple[int, int, float]) -> pl.DataFrame:
    """Events from (id, day, amount), known as they happen."""
    times = [datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) for _, day, _ in events]
    frame = pl.DataFrame(
        {"id": [i for i, _, _ in events], "amount": [a for *_, a in events], "known_at": times},
        schema={"id": pl.Int64, "amount": pl.Float64, "known_at": pl.Datetime("us", "UTC")},
    )
    return frame.with_columns(event_date=pl.col("known_at").dt.date())


def contents(frame: pl.DataFrame) -> dict[date, str]:
    return content_by_day(frame, "event_date")


def facts(frame: pl.DataFrame) -> dict[date, str]:
    return facts_by_day(look_at_days(frame.lazy(), pl.col("event_date")))


STORED = rows((1, 0, 1.0), (2, 0, 2.0), (3, 1, 3.0))


def test_the_same_rows_in_another_order_are_the_same_day() -> None:
    for described in (contents, facts):
        assert differing(described(STORED.reverse()), described(STORED)) == {}
    assert differing({}, {}) == {}
    assert contents(STORED.clear()) == facts(STORED.clear()) == {}


def test_a_row_more_or_less_is_another_day() -> None:
    more = pl.concat([STORED, rows((4, 0, 1.0))])
    for described in (contents, facts):
        assert list(differing(described(more), described(STORED))) == [FIRST]
        assert list(differing(described(STORED), described(more))) == [FIRST]
    gone = differing(contents(STORED[:2]), contents(STORED))
    assert gone == {SECOND: ""}


def test_a_row_that_comes_twice_and_a_value_that_changed_are_seen_where_the_content_is_read() -> None:
    repeated, changed = pl.concat([STORED, STORED[2:]]), rows((1, 0, 1.5), (2, 0, 2.0), (3, 1, 3.0))
    assert list(differing(contents(repeated), contents(STORED))) == [SECOND]
    assert list(differing(contents(changed), contents(STORED))) == [FIRST]
    assert differing(facts(changed), facts(STORED)) == {}
