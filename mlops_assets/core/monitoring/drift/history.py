"""Which days of the past a window is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.core.monitoring.drift.column import History
from mlops_assets.core.monitoring.drift.variation import FEWEST_WINDOWS
from mlops_assets.core.monitoring.profile import ColumnProfile, add

HISTORY_DAYS = 364
"""How far before the model's as-of time days are looked at: a year of whole weeks."""
_WEEK = 7


@dataclass(frozen=True)
class Span:
    """Whole UTC days [first, end)."""

    first: date
    end: date

    def days(self) -> tuple[date, ...]:
        """Every day of it, in order."""
        return tuple(self.first + timedelta(days=number) for number in range((self.end - self.first).days))


def history_spans(first: date, end: date, *, window_days: int, last_day: date) -> tuple[Span, ...]:
    """Cut the days [first, end) into windows that do not overlap, as long as the one that is judged, oldest first.

    A window of whole weeks holds each day of the week equally often. A window of another length is compared with those
    that end on the same day of the week, where there are `FEWEST_WINDOWS` of them: else with all, whose differences
    then hold those between the days of the week. Days that fill no window are left out, at the old end.

    first, end: the days that may be looked at. window_days: how long a window is. last_day: of the judged window.
    """
    every = _spans(first, end, length=window_days, step=window_days)
    if window_days % _WEEK == 0:
        return every
    behind = (end - timedelta(days=1) - last_day).days % _WEEK
    step = -(-window_days // _WEEK) * _WEEK
    alike = _spans(first, end - timedelta(days=behind), length=window_days, step=step)
    return alike if len(alike) >= FEWEST_WINDOWS else every


def history_of(days: Mapping[date, ColumnProfile], spans: Sequence[Span], *, reference_days: int) -> History:
    """Add the days of each window up; the newest windows of `reference_days` days in all are the reference.

    days: a column's profiles; a day without one had no rows. spans: the windows, oldest first.
    """
    windows = tuple(add([days[day] for day in span.days() if day in days]) for span in spans)
    length = (spans[0].end - spans[0].first).days if spans else 1
    newest = max(1, min(len(windows), round(reference_days / length)))
    return History(windows, add(windows[-newest:]), newest)


def could_tell_from(first: date, *, window_days: int) -> date:
    """Return the as-of day from which on a model's history is long enough to promise anything."""
    return first + timedelta(days=FEWEST_WINDOWS * window_days)


def lag_of(history_end: date, window_first: date, *, window_days: int) -> float:
    """Return the time between a history and a window, in windows; 0 where they touch or overlap."""
    return max(0.0, (window_first - history_end).days / window_days)


def _spans(first: date, end: date, *, length: int, step: int) -> tuple[Span, ...]:
    spans = []
    while end - timedelta(days=length) >= first:
        spans.append(Span(end - timedelta(days=length), end))
        end -= timedelta(days=step)
    return tuple(reversed(spans))
