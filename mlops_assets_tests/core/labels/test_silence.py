"""Days on which the feed of labels fell silent."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from mlops_assets.core.labels.silence import MINIMUM_EVENTS, SilentDays, silent_days

FIRST = date(2024, 1, 1)


def judged(shares: list[float], *, events: int = 40) -> SilentDays:
    """Days of so many events, of which these shares have an outcome."""
    vectors = pl.DataFrame(
        {
            "id": range(len(shares) * events),
            "at": [
                datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
                for day in range(len(shares))
                for _ in range(events)
            ],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    labelled = [day * events + n for day, share in enumerate(shares) for n in range(round(share * events))]
    return silent_days(vectors, pl.Series(labelled, dtype=pl.Int64), id_column="id", time="at")


def test_days_without_outcomes_are_named_where_others_have_them() -> None:
    found = judged([1.0, 1.0, 0.0, 0.05, 1.0, 1.0])
    assert found.days == {FIRST + timedelta(days=2): 40, FIRST + timedelta(days=3): 38}
    assert found.words.startswith(
        "2 days have hardly any outcome, though usually 100% of a day's events have one"
    )
    assert "2024-01-03, 2024-01-04 (78 events)" in found.words


def test_days_that_are_as_usual_are_not_silent_however_few_outcomes_that_are() -> None:
    assert judged([0.2, 0.15, 0.3, 0.1]).days == {}
    assert "20% of them" in judged([0.2, 0.2, 0.2]).words
    assert judged([0.0, 0.0, 0.0]).days == {}
    assert judged([]).days == {}


def test_a_day_of_few_events_says_nothing() -> None:
    assert judged([1.0, 0.0, 1.0], events=MINIMUM_EVENTS - 1).days == {}
    assert judged([1.0, 0.0, 1.0], events=MINIMUM_EVENTS).days
