"""Days on which the feed of events fell silent: hardly any event came, though their weekday usually has many."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median

MINIMUM_EVENTS = 20
"""Events that a weekday usually must have before their want says anything."""
REMEMBERED = 8
"""How many days of a weekday say what is usual on it."""
MINIMUM_REMEMBERED = 3
"""Fewer say nothing."""
REMEMBERED_DAYS = 7 * REMEMBERED
"""How far back they lie, where the feed spoke on all of them."""


@dataclass(frozen=True)
class SilentFeed:
    """Days that should have events, and have not."""

    days: Mapping[date, int]
    """By day how many events it has, in order."""
    usual: Mapping[date, float]
    """By the same days how many their weekday usually has."""

    @property
    def words(self) -> str:
        """One sentence."""
        if not self.days:
            return "every day has as many events as can be expected"
        shown = [
            f"{day:%Y-%m-%d} ({self.days[day]:,} of {self.usual[day]:,.0f})" for day in list(self.days)[:7]
        ]
        more = ", …" if len(self.days) > 7 else ""
        count = "1 day has" if len(self.days) == 1 else f"{len(self.days)} days have"
        return f"{count} hardly any of the events that their weekday usually has: {', '.join(shown)}{more}"


def silent_event_days(counts: Mapping[date, int], *, judged: Collection[date], below: float) -> SilentFeed:
    """Return the days of `judged` with fewer events than `below` times what their weekday usually has.

    What is usual is the median of the last eight days of that weekday before on which the feed was not silent: a long
    silence never becomes what is usual, and a weekday that never has events is not waited for. A weekday of which fewer
    than three days are known, or which usually has fewer than MINIMUM_EVENTS, says nothing.

    counts: events by day, in any order; a day between the first and the last that is missing has none. judged: of these
    days. below: a share; 0 finds nothing.
    """
    remembered: dict[int, deque[int]] = {}
    silent: dict[date, int] = {}
    usual: dict[date, float] = {}
    for day in _every_day(counts, judged):
        count = counts.get(day, 0)
        known = remembered.setdefault(day.weekday(), deque(maxlen=REMEMBERED))
        expected = float(median(known)) if len(known) >= MINIMUM_REMEMBERED else 0.0
        if expected >= MINIMUM_EVENTS and count < below * expected:
            if day in judged:
                silent[day], usual[day] = count, expected
            continue
        known.append(count)
    return SilentFeed(silent, usual)


def _every_day(counts: Mapping[date, int], judged: Collection[date]) -> list[date]:
    known = [*counts, *judged]
    if not known:
        return []
    return [date.fromordinal(number) for number in range(min(known).toordinal(), max(known).toordinal() + 1)]
