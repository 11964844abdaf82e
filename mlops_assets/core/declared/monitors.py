"""What a product's own `monitors.py` is made of: what it says of a window, and how a window is shown to it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl


@dataclass(frozen=True)
class Statistic:
    """A number of a window's events, judged by how far it lies from that of windows of the champion's history.

    Nothing has to be set: the limit follows from how much the number varies there, so that the product's statistics
    together add at most a tenth to the promised number of false alarms.
    """

    expression: pl.Expr
    """One number out of the events' columns, for example `(pl.col("country") != "DE").mean()`; null: nothing to say."""
    smallest_change: float | None = None
    """Difference from the usual value that matters, in the number's own unit, however sure a smaller one is; null: a
    tenth of the usual value."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a monitor of your own says of a window: a number, and the limit that it is compared with.

    It alarms where the whole interval lies beyond the limit, is ok where none of it does, and is inconclusive between,
    and where value is null. Without a limit it is only told.
    """

    value: float | None
    """Null: it cannot be told."""
    low: float | None = None
    """Lower end of the value's interval; null: the value itself."""
    high: float | None = None
    """Upper end of it."""
    above: float | None = None
    """Alarms above this number."""
    below: float | None = None
    """Alarms below this number; give one of the two."""
    expected: float | None = None
    """What is usual; null where nothing is."""
    subject: str = ""
    """What it speaks of, where a monitor speaks of several things."""
    reason: str = ""
    """One sentence of plain text for people, 500 characters at most; empty: the numbers. It stands on pages and in
    alerts: no row of data belongs there."""
    is_source_broken: bool = False
    """Whether an alarm means that a source is to be mended, so that nothing may be learned from the window."""
    day: date | None = None
    """The day that it points at; null for the whole window."""

    def __post_init__(self) -> None:
        if self.above is not None and self.below is not None:
            raise ValueError("an observation is compared with above or with below: give one")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends: give low and high")


@dataclass(frozen=True)
class MonitoredWindow:
    """Whole UTC days [first, end), and what a monitor of your own may look at in them."""

    first: date
    end: date
    events: pl.LazyFrame
    """All events of the window: the contract's columns, without outcomes."""
    scored: pl.DataFrame
    """What the champion scored of them: id, `score` (of the model, calibrated), `decision` (0 or 1), the features, and
    the label, null where it was not known by the window's end. Of more than `monitoring.maximum_rows` a sample."""
    read_test_rows: Callable[[], pl.DataFrame]
    """Reads the champion's test rows: id, `score`, `decision`, features and label."""


OwnMonitor = Callable[[MonitoredWindow], Observation | Iterable[Observation]]
Monitors = Mapping[str, Statistic | OwnMonitor]
"""Monitors by name."""
