"""How old a champion's knowledge and the newest event are at a window's end."""

import itertools
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from mlops_assets.core.monitoring.finding import Finding, State

REMEMBERED_DAYS = 364
FEWEST_DAYS = 14
"""With fewer days of events nothing is said of how long they may stay away."""
_DAY = timedelta(days=1)


def model_age(as_of: datetime, *, window_end: datetime, maximum_days: int | None) -> Finding:
    """Judge the days from what a champion was made from to a window's end; without a limit any age is fine.

    as_of: by when all that it was made from was known. window_end: first instant after the window. maximum_days: the
    declared limit.
    """
    days = (window_end - as_of) / _DAY
    is_old = maximum_days is not None and days > maximum_days
    limit = "no limit is declared" if maximum_days is None else f"{maximum_days} are allowed"
    return Finding(
        topic="age",
        subject="model",
        state="alarm" if is_old else "ok",
        reason=f"the model knows nothing of the last {days:.0f} days; {limit}"
        if days >= 0
        else "the model knows what came after the window, too",
        value=days,
        limit=maximum_days,
    )


def data_age(counts: Mapping[date, int], *, last_day: date) -> Finding:
    """Judge how many whole days at a window's end have no event: more than ever before, and one, is a stale feed.

    counts: events by day; later days are not looked at. last_day: of the window.
    """
    known = sorted(day for day, count in counts.items() if count and day <= last_day)
    if not known:
        return _data("inconclusive", "there was no event yet", None, None)
    age = (last_day - known[-1]).days
    recent = [day for day in known if (known[-1] - day).days <= REMEMBERED_DAYS]
    longest = max(((later - day).days - 1 for day, later in itertools.pairwise(recent)), default=0)
    told = f"the newest event is of {known[-1]}, {age} days before the window's last day" if age else (
        "the newest event is of the window's last day"
    )  # fmt: skip
    if age and len(recent) < FEWEST_DAYS:
        needed = f"{told}; {FEWEST_DAYS} days of events are needed to tell whether that is usual"
        return _data("inconclusive", needed, age, None)
    told = f"{told}; {longest} days without one were the most before"
    return _data("alarm" if age > longest + 1 else "ok", told, age, longest + 1)


def _data(state: State, reason: str, age: int | None, limit: int | None) -> Finding:
    return Finding(
        topic="age",
        subject="events",
        state=state,
        cause="broken" if state == "alarm" else None,
        reason=reason,
        value=age,
        limit=limit,
    )
