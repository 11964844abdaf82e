"""Days on which the feed of labels fell silent: their events have no outcome, though as old ones have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median

import polars as pl

MINIMUM_EVENTS = 20
"""Events that a day must have before their want of outcomes says anything."""
MINIMUM_SHARE = 0.1
"""A day is silent when its share of events with an outcome lies below this part of what is usual."""


@dataclass(frozen=True)
class SilentDays:
    """Days whose events should have outcomes by now, and have not."""

    days: Mapping[date, int]
    """By day how many events are without an outcome, in order."""
    usual_share: float
    """Median share of a day's events that have one."""

    @property
    def words(self) -> str:
        """One sentence."""
        if not self.days:
            return f"every day has the outcomes of its events as usual ({self.usual_share:.0%} of them)"
        shown = ", ".join(map(str, list(self.days)[:7])) + (", …" if len(self.days) > 7 else "")
        return (
            f"{len(self.days)} days have hardly any outcome, though usually {self.usual_share:.0%} of a day's events "
            f"have one: {shown} ({sum(self.days.values()):,} events)"
        )


def silent_days(vectors: pl.DataFrame, labelled: pl.Series, *, id_column: str, time: str) -> SilentDays:
    """Return the days whose events have next to no outcome, where as old days have one for their events.

    vectors: events that are old enough to have an outcome, with id and `time`. labelled: ids with a known outcome.
    What is usual is the median over the days with enough events; where most days have none, nothing is.
    """
    by_day = (
        vectors.select(
            pl.col(time).dt.date().alias("day"),
            pl.col(id_column).is_in(labelled.implode()).alias("has_outcome"),
        )
        .group_by("day")
        .agg(events=pl.len(), share=pl.col("has_outcome").mean())
        .filter(pl.col("events") >= MINIMUM_EVENTS)
        .sort("day")
    )
    if by_day.is_empty():
        return SilentDays({}, 0.0)
    usual = float(median(by_day["share"].to_list()))
    silent = by_day.filter(pl.col("share") < MINIMUM_SHARE * usual)
    missing = (pl.col("events") * (1 - pl.col("share"))).round().cast(pl.Int64)
    return SilentDays(dict(silent.select("day", missing.alias("events")).iter_rows()), usual)
