"""One column of a window against its reference: how far it moved, and how far it may when nothing happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlops_assets.core.monitoring.drift.bins import REST_BINS, ColumnBins, bins_of, main_value, without
from mlops_assets.core.monitoring.drift.variation import (
    FEWEST_WINDOWS,
    Floats,
    Variation,
    moved_share,
    variation,
)
from mlops_assets.core.monitoring.profile import ColumnProfile

ColumnVerdict = Literal["stable", "drift", "inconclusive"]
Part = Literal["values", "missing", "rest"]

SMALLEST_MOVE: dict[Part, float] = {"values": 0.1, "missing": 0.05, "rest": 0.2}
"""Shares of rows that must have moved before a part counts as drifted, however sure that is. A tenth is a shift of the
mean by a quarter of a standard deviation, or an index of 0.06 where the population stability index calls 0.1 a small
change (Siddiqi 2006). The rest of a mostly constant column is few rows.
"""
MODERATE_MOVE = 0.3
"""A part whose limit is above this could hide a shift of 0.8 standard deviations: it cannot be called stable."""
_ROWS_PER_BIN = 20


@dataclass(frozen=True)
class History:
    """What is known of a column when the model was made."""

    windows: tuple[ColumnProfile, ...]
    """As long as the window that is judged, oldest first."""
    reference: ColumnProfile
    """What the window is compared with."""
    reference_windows: int
    """How many windows the reference is as long as."""


@dataclass(frozen=True)
class MovedPart:
    """A part of a column: its values, whether they are missing, or the values that are not the usual one."""

    part: Part
    moved: float
    """Share of rows that would have to move to give the reference's histogram."""
    expected: float | None
    """The same of a window in which nothing happened; None without enough history."""
    limit: float | None
    """The distance at which it counts as drift; None without enough history."""

    @property
    def verdict(self) -> ColumnVerdict:
        """Drift above the limit; stable where a moderate move would have shown; else inconclusive."""
        if self.limit is None:
            return "inconclusive"
        if self.moved > self.limit:
            return "drift"
        return "stable" if self.limit <= MODERATE_MOVE else "inconclusive"


@dataclass(frozen=True)
class ColumnDrift:
    """One column of a window beside the same column of the reference."""

    column: str
    role: Literal["feature", "score"]
    verdict: ColumnVerdict
    reason: str
    parts: tuple[MovedPart, ...]
    """The deciding one first; empty when a side has no rows."""
    psi: float | None
    """Population stability index of the values, for people who know it; nothing is decided on it."""
    missing_share_reference: float | None
    missing_share_current: float | None
    mean_reference: float | None
    mean_current: float | None
    is_category: bool = False

    @property
    def moved(self) -> float | None:
        """Of the deciding part: the share of rows that moved."""
        return self.parts[0].moved if self.parts else None

    @property
    def limit(self) -> float | None:
        """Of the deciding part: the share at which it counts as drift."""
        return self.parts[0].limit if self.parts else None

    @property
    def expected(self) -> float | None:
        """Of the deciding part: the share of a window in which nothing happened."""
        return self.parts[0].expected if self.parts else None


@dataclass(frozen=True)
class LearnedPart:
    """What the history says about one part of a column."""

    part: Part
    bins: ColumnBins | None
    """None for missing against present."""
    reference: Floats
    """Rows of the reference in each bin."""
    variation: Variation | None
    """None of too short a history."""


@dataclass(frozen=True)
class LearnedColumn:
    """What the history says about a column: computed once, asked for every window."""

    column: str
    role: Literal["feature", "score"]
    reference: ColumnProfile
    history_windows: int
    usual: float | None
    """The value of most rows; None where there is none."""
    parts: tuple[LearnedPart, ...]
    is_category: bool


def learn_column(
    history: History, *, column: str, role: Literal["feature", "score"], is_category: bool = False
) -> LearnedColumn:
    """Learn what windows of a column look like when nothing happens. is_category: whether its values are codes."""
    reference, everything = history.reference, (*history.windows, history.reference)
    usual = main_value(reference)
    parts = [_learned("missing", None, everything, history)] if reference.rows else []
    if reference.present:
        parts.append(_learned("values", bins_of(reference, is_category=is_category), everything, history))
    if usual is not None:
        others = [without(one, usual) for one in everything]
        most = min(REST_BINS, others[-1].rows // _ROWS_PER_BIN)
        if most >= 2:
            bins = bins_of(others[-1], is_category=is_category, most=most)
            parts.append(_learned("rest", bins, others, history))
    return LearnedColumn(column, role, reference, len(history.windows), usual, tuple(parts), is_category)


def _learned(
    part: Part, bins: ColumnBins | None, profiles: Sequence[ColumnProfile], history: History
) -> LearnedPart:
    counts = np.array([_counts(bins, one) for one in profiles])
    learned = variation(counts[:-1], reference_windows=history.reference_windows)
    return LearnedPart(part, bins, counts[-1], learned)


def _counts(bins: ColumnBins | None, profile: ColumnProfile) -> Floats:
    if bins is None:
        return np.array([profile.missing, profile.present], dtype=np.float64)
    return bins.counts(profile)


def judge_column(learned: LearnedColumn, current: ColumnProfile, *, lag: float, chance: float) -> ColumnDrift:
    """Judge one column of a window.

    learned: what the column does when nothing happens. current: the window. lag: windows of time between the history's
    end and the window's start. chance: how probable a false alarm of the column may be.
    """
    parts = _judged_parts(learned, current, lag=lag, chance=chance)
    verdict, reason = _told(parts, learned, current)
    values = next((part for part in learned.parts if part.part == "values"), None)
    return ColumnDrift(
        column=learned.column,
        role=learned.role,
        verdict=verdict,
        reason=reason,
        parts=parts,
        psi=_psi(values, current) if values is not None and current.present else None,
        missing_share_reference=_missing_share(learned.reference),
        missing_share_current=_missing_share(current),
        mean_reference=_mean(learned.reference),
        mean_current=_mean(current),
        is_category=learned.is_category,
    )


def _judged_parts(
    learned: LearnedColumn, current: ColumnProfile, *, lag: float, chance: float
) -> tuple[MovedPart, ...]:
    """Judge each part at an equal share of the column's chance; the part that moved most, by its limit, comes first."""
    share = chance / max(len(learned.parts), 1)
    judged = []
    for part in learned.parts:
        shown = (
            without(current, learned.usual) if part.part == "rest" and learned.usual is not None else current
        )
        counts = _counts(part.bins, shown)
        if counts.sum() > 0:
            judged.append(_judged(part, counts, lag=lag, chance=share))
    return tuple(sorted(judged, key=lambda one: -one.moved / (one.limit or 1.0)))


def _judged(part: LearnedPart, counts: Floats, *, lag: float, chance: float) -> MovedPart:
    moved = float(moved_share(counts, part.reference))
    if part.variation is None:
        return MovedPart(part.part, moved, None, None)
    limit = part.variation.limit(lag=lag, rows=int(counts.sum()), chance=chance)
    return MovedPart(part.part, moved, part.variation.expected(lag), max(limit, SMALLEST_MOVE[part.part]))


def _told(
    parts: tuple[MovedPart, ...], learned: LearnedColumn, current: ColumnProfile
) -> tuple[ColumnVerdict, str]:
    if not parts:
        side = "the window" if learned.reference.rows else "the reference"
        return "inconclusive", f"{side} has no rows"
    first = parts[0]
    words = {
        "values": f"{first.moved:.1%} of the rows moved to other values",
        "missing": f"{_missing_share(learned.reference):.1%} of the values were missing, now "
        f"{_missing_share(current):.1%}",
        "rest": f"{first.moved:.1%} of the values that are not the usual one moved",
    }[first.part]
    if first.limit is None or first.expected is None:
        return "inconclusive", (
            f"{words}; the history has {learned.history_windows} windows of this length, and "
            f"{FEWEST_WINDOWS} are needed to tell what that means"
        )
    limit = f"{first.limit:.1%} the limit" if first.limit < 1 else "and a history this short sets no limit"
    usual = f"{first.expected:.1%} is usual, {limit}"
    if first.verdict == "drift":
        return "drift", f"{words}: {usual}"
    if all(part.verdict == "stable" for part in parts):
        return "stable", f"{words}: {usual}"
    return "inconclusive", f"{words}: {usual}, so that a moderate shift would not show"


def _missing_share(profile: ColumnProfile) -> float:
    return profile.missing / profile.rows if profile.rows else 0.0


def _mean(profile: ColumnProfile) -> float | None:
    if not profile.present:
        return None
    return float((profile.values * profile.counts).sum() / profile.present)


def _psi(values: LearnedPart, current: ColumnProfile) -> float:
    """Σ (r - c) · ln(r / c) over the bins' shares (Siddiqi 2006), half a row in each (Krichevsky & Trofimov 1981)."""
    r, c = values.reference + 0.5, _counts(values.bins, current) + 0.5
    r, c = r / r.sum(), c / c.sum()
    return float(((r - c) * np.log(r / c)).sum())
