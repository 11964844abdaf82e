"""Windows of the past are as long as the one that is judged, and hold the same days of the week where they can."""

import itertools
from datetime import date, timedelta

import pytest

from mlops_assets.core.monitoring.drift.history import (
    Span,
    could_tell_from,
    history_of,
    history_spans,
    lag_of,
)
from mlops_assets.core.monitoring.profile import add, profile_column

FIRST, END = date(2026, 1, 1), date(2026, 6, 1)


@pytest.mark.parametrize("window_days", [1, 3, 7, 10, 28])
def test_windows_do_not_overlap_and_stay_inside(window_days: int) -> None:
    spans = history_spans(FIRST, END, window_days=window_days, last_day=date(2026, 6, 20))
    assert spans[0].first >= FIRST and spans[-1].end <= END
    assert all((span.end - span.first).days == window_days for span in spans)
    assert all(one.end <= other.first for one, other in itertools.pairwise(spans))


def test_a_window_of_a_day_is_compared_with_the_same_day_of_the_week_where_there_are_enough() -> None:
    friday = date(2026, 6, 19)
    spans = history_spans(FIRST, END, window_days=1, last_day=friday)
    assert {span.first.weekday() for span in spans} == {friday.weekday()}
    short = history_spans(END - timedelta(days=20), END, window_days=1, last_day=friday)
    assert len(short) == 20


def test_the_newest_windows_are_the_reference_and_days_without_rows_count_for_nothing() -> None:
    import polars as pl

    days = {FIRST + timedelta(days=n): profile_column(pl.Series([float(n)])) for n in range(14) if n != 3}
    spans = history_spans(FIRST, FIRST + timedelta(days=14), window_days=7, last_day=FIRST)
    history = history_of(days, spans, reference_days=7)
    assert [window.rows for window in history.windows] == [6, 7]
    assert history.reference.values.tolist() == [float(n) for n in range(7, 14)]
    assert history_of({}, (), reference_days=7).reference.rows == add([]).rows


def test_when_it_could_tell_and_how_long_ago_the_history_ended() -> None:
    assert could_tell_from(FIRST, window_days=7) == FIRST + timedelta(days=42)
    assert lag_of(END, END + timedelta(days=14), window_days=7) == 2.0
    assert lag_of(END, END - timedelta(days=3), window_days=7) == 0.0
    assert Span(FIRST, FIRST + timedelta(days=2)).days() == (FIRST, FIRST + timedelta(days=1))
