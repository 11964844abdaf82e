"""What the reports' pages have in common."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl

from mlops_assets.assets.support.reports.pages import page_link, stamped, verdict_check
from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.lakehouse.day_range import DayRange

DAY = date(2026, 3, 1)
WINDOW = ReportWindow(DayRange(DAY - timedelta(days=6), DAY + timedelta(days=1)), DAY)
CHAMPION = cast("Any", SimpleNamespace(version=3))


def test_rows_say_what_they_speak_of() -> None:
    frame = pl.DataFrame({"column": ["a"]})
    assert stamped(frame, WINDOW, CHAMPION, "drift").row(0, named=True) == {
        "column": "a",
        "window_verdict": "drift",
        "champion_version": 3,
        "event_date": DAY,
    }
    assert "event_date" not in stamped(frame, ReportWindow(None, None), CHAMPION, "drift").columns


def test_a_check_fails_for_each_verdict_that_asks_for_action() -> None:
    for verdict, passed in (("stable", True), ("drift", False), ("broken", False), ("inconclusive", True)):
        report = cast("Any", SimpleNamespace(verdict=verdict, reason="why"))
        check = verdict_check("no_drift", report, ("drift", "broken"), CHAMPION, WINDOW)
        assert check.passed == passed
        assert f"version 3, {WINDOW.words}: {verdict}: why" == check.description


def test_no_page_has_no_link() -> None:
    assert page_link(cast("Any", None), None) == {}
