"""Outcomes that are read once give each window what it would have read by itself."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from mlops_assets.assets.support.reports.outcomes import UnseenOutcomes, _days_of_all
from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.small_home import AS_OF as HOME_AS_OF
from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome

FIRST = date(2018, 4, 1)


def window(first: int, end: int) -> ReportWindow:
    days = DayRange(FIRST + timedelta(days=first), FIRST + timedelta(days=end), "known_date")
    return ReportWindow(days, days.end - timedelta(days=1))


def outcome(prediction: str, *, event: int, known: int, label: int) -> dict[str, object]:
    at = datetime(2018, 4, 1, 12, tzinfo=UTC)
    known_at = at + timedelta(days=known)
    return {
        "prediction_id": prediction,
        "event_timestamp": at + timedelta(days=event),
        "known_at": known_at,
        "known_date": known_at.date(),
        "is_fraud": label,
    }


ROWS = pl.DataFrame(
    [
        outcome("before", event=0, known=5, label=1),
        outcome("kept", event=3, known=5, label=0),
        outcome("corrected", event=3, known=5, label=0),
        outcome("corrected", event=3, known=8, label=1),
        outcome("late", event=4, known=9, label=1),
    ]
)
AS_OF = datetime(2018, 4, 3, tzinfo=UTC)


def test_a_window_has_the_version_that_was_known_in_it_of_events_from_the_as_of_time_on() -> None:
    unseen = UnseenOutcomes(ROWS, AS_OF, are_used=False)
    early, later = unseen.within(window(4, 7)), unseen.within(window(4, 10))
    assert dict(early.select("prediction_id", "is_fraud").iter_rows()) == {"kept": 0, "corrected": 0}
    assert dict(later.select("prediction_id", "is_fraud").iter_rows()) == {
        "kept": 0,
        "corrected": 1,
        "late": 1,
    }


def test_a_cohort_is_taken_whole() -> None:
    assert UnseenOutcomes(ROWS, None, are_used=True).within(ReportWindow(None, None)).equals(ROWS)


def test_all_windows_of_a_run_are_read_together() -> None:
    assert _days_of_all([window(4, 7), window(0, 9), window(2, 12)]) == window(0, 12).days
    assert _days_of_all([ReportWindow(None, None)]) is None


def test_outcomes_are_of_events_after_the_champions_knowledge(released_home: SmallHome) -> None:
    product, tables = released_home.product, released_home.tables
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    whole = ReportWindow(DayRange(HOME_AS_OF, LAST_DAY + timedelta(days=1), "known_date"), LAST_DAY)
    unseen = UnseenOutcomes.read(tables, product, champion, windows=[whole], columns=["terminal_id"])
    outcomes = unseen.within(whole)
    assert outcomes.height > 0
    assert outcomes["event_timestamp"].min() >= champion.as_of  # pyright: ignore[reportOperatorIssue]
    assert outcomes["prediction_id"].is_unique().all()
    assert {"customer_id", "terminal_id"} <= set(outcomes.columns)
    assert not unseen.are_used
