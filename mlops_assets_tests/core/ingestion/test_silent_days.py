"""Days on which the feed of events fell silent."""

from datetime import date, timedelta

from mlops_assets.core.ingestion.silent_days import MINIMUM_EVENTS, REMEMBERED, silent_event_days

MONDAY = date(2024, 1, 1)


def days(*, weeks: int, workday: int, weekend: int = 0) -> dict[date, int]:
    """Events by day of so many weeks."""
    every = [MONDAY + timedelta(days=number) for number in range(7 * weeks)]
    return {day: weekend if day.weekday() > 4 else workday for day in every}


def silent(counts: dict[date, int], *, below: float = 0.1) -> list[date]:
    return list(silent_event_days(counts, judged=counts, below=below).days)


def test_a_day_without_its_usual_events_is_named_with_what_is_usual() -> None:
    counts = days(weeks=5, workday=1_000, weekend=100) | {
        date(2024, 1, 24): 0,
        date(2024, 1, 25): 99,
        date(2024, 1, 26): 100,
    }
    found = silent_event_days(counts, judged=counts, below=0.1)
    assert found.days == {date(2024, 1, 24): 0, date(2024, 1, 25): 99}
    assert found.words == (
        "2 days have hardly any of the events that their weekday usually has: 2024-01-24 (0 of 1,000), "
        "2024-01-25 (99 of 1,000)"
    )
    assert silent_event_days(counts, judged=[date(2024, 1, 26)], below=0.1).days == {}


def test_a_day_that_is_missing_has_none() -> None:
    counts = days(weeks=5, workday=1_000, weekend=100)
    del counts[date(2024, 1, 24)]
    assert silent(counts) == []
    judged = [MONDAY + timedelta(days=number) for number in range(35)]
    assert list(silent_event_days(counts, judged=judged, below=0.1).days) == [date(2024, 1, 24)]


def test_weekends_that_never_have_events_are_not_waited_for() -> None:
    assert silent(days(weeks=6, workday=1_000)) == []
    once = days(weeks=6, workday=1_000) | {date(2024, 1, 13): 500}
    assert silent(once) == []


def test_a_silence_of_months_stays_one_and_ends_with_its_first_day_of_events() -> None:
    counts = days(weeks=10, workday=1_000, weekend=900)
    quiet = {MONDAY + timedelta(days=70 + number): 0 for number in range(7 * 2 * REMEMBERED)}
    after = {max(quiet) + timedelta(days=1): 950}
    assert silent(counts | quiet | after) == list(quiet)


def test_few_events_and_few_known_days_say_nothing_and_growth_is_no_silence() -> None:
    assert silent(days(weeks=5, workday=MINIMUM_EVENTS - 1) | {date(2024, 1, 29): 0}) == []
    assert silent(days(weeks=5, workday=MINIMUM_EVENTS) | {date(2024, 1, 29): 0}) == [date(2024, 1, 29)]
    assert silent(days(weeks=3, workday=1_000) | {date(2024, 1, 15): 0}) == [], "two Mondays are known"
    grown = {MONDAY + timedelta(days=number): 20 * 2 ** (number // 7) for number in range(70)}
    assert silent(grown) == []


def test_nothing_is_silent_where_that_is_declared() -> None:
    counts = days(weeks=5, workday=1_000) | {date(2024, 1, 29): 0}
    assert silent(counts, below=0.0) == []
    assert silent({}) == []
    assert (
        silent_event_days({}, judged=[], below=0.1).words == "every day has as many events as can be expected"
    )
