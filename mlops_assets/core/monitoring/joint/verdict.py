"""Whether columns of a window still go together as they did: the pair whose correlation changed most, by what is usual.

The number of a window is the largest change of a pair's correlation. On simulated products with 15 and 30 columns it
finds one pair, one column or all columns that changed at least as often as the largest column's norm, and much more
often than the largest eigenvalue or the mean square of the differences, which sum the noise of all pairs.
Pairs whose own correlation wanders more than most (of slow entities, of rare values) are scaled down by how much more,
so that they do not hide the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mlops_assets.core.monitoring.drift.variation import (
    FEWEST_WINDOWS,
    Measure,
    Variation,
    compared,
    variation,
)
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.joint.dependence import FEWEST_ROWS, Floats, changes, correlations, rows_of

SUBJECT = "columns together"
SMALLEST_CHANGE = 0.2
"""Of a correlation, below which nothing alarms, however sure it is: between a small (0.1) and a medium (0.3) difference
of two correlations (Cohen 1988, Statistical Power Analysis, chapter 4)."""
LARGE_CHANGE = 0.5
"""A large difference there. Where the limit is above it one could be hidden: nothing is called *ok*."""
_SURE_ERRORS = 4.0
"""Standard errors, 1/√(2n) of a root mean square of n values, by which a pair wanders more than most for sure: of the
496 pairs of 32 columns, one does by chance in one history of sixty."""
_LARGEST_DISTANCE = 2.0
_TOLD_PAIRS = 3


@dataclass(frozen=True)
class LearnedPairs:
    """What a history says of how columns go together: learned once, asked for every window."""

    columns: tuple[str, ...]
    reference: Floats
    """Sums of what a window is compared with."""
    wander: Floats
    """(columns, columns): how many times as much as most pairs each one changes when nothing happens; at least 1,
    infinite where too few windows of the history know the pair."""
    variation: Variation | None
    """Of the largest change; None of too short a history."""
    windows: int
    """Of the history."""
    telling: int
    """Those of them in which any pair has enough rows."""


@dataclass(frozen=True)
class PairChange:
    """A pair of columns in a window beside the reference."""

    first: str
    second: str
    before: float
    now: float
    wander: float

    @property
    def size(self) -> float:
        """By how much the correlation changed."""
        return abs(self.now - self.before)

    @property
    def words(self) -> str:
        """Both columns, with both correlations."""
        return f"{self.first} and {self.second} (correlation {self.before:.2f}, now {self.now:.2f})"


def learn_pairs(windows: Sequence[Floats], *, columns: Sequence[str], reference_windows: int) -> LearnedPairs:
    """Learn how much correlations change when nothing happens.

    windows: sums of each window of the history, oldest first; at least one. columns: in the order of the sums.
    reference_windows: how many of the newest windows the reference is made of.
    """
    sums = np.array([one for one in windows if rows_of(one) > 0] or windows[:1])
    newest = max(1, min(len(sums), reference_windows))
    reference = sums[-newest:].sum(axis=0)
    # A window that knows no pair would say that nothing ever changes.
    telling = sums[_known_pairs(sums).any(axis=-1)]
    if len(telling) < FEWEST_WINDOWS:
        wander = np.ones((len(columns), len(columns)))
        return LearnedPairs(tuple(columns), reference, wander, None, len(sums), len(telling))
    wander = _wander(telling, block=min(newest, len(telling) // 2))
    measure = Measure(partial(_largest, wander=wander), _points, rows_of)
    learned = variation(telling, reference_windows=newest, measure=measure)
    return LearnedPairs(tuple(columns), reference, wander, learned, len(sums), len(telling))


def judge_pairs(
    learned: LearnedPairs,
    current: Floats,
    *,
    lag: float,
    chance: float,
    minimum_rows: int,
    rows: int | None = None,
    importance: Mapping[str, float] | None = None,
    could_tell_from: str = "",
) -> Finding:
    """Judge one window.

    learned: what the history says. current: sums of the window. lag: windows of time between the history's end and the
    window's start. chance: how probable a false alarm may be. minimum_rows: with fewer the window is inconclusive.
    rows: of the window, where only a part of them was summed up. importance: share of the model's gain by column.
    could_tell_from: the as-of day from which on a history is long enough, for people.
    """
    summed, found = int(rows_of(current)), _pairs(learned, current)
    has = summed if rows is None else rows
    if has < minimum_rows or not found:
        few = f"the window has {has} rows, {minimum_rows} are needed"
        return _inconclusive(few if has < minimum_rows else "no pair of columns has enough rows to compare")
    most = found[0]
    if learned.variation is None:
        return _inconclusive(f"{most.words} changed most; {_missing(learned, could_tell_from)}")
    scaled = max(SMALLEST_CHANGE, learned.variation.limit(lag=lag, rows=summed, chance=chance))
    usual, limit = learned.variation.expected(lag) * most.wander, scaled * most.wander
    state: State = "ok" if scaled <= LARGE_CHANGE else "inconclusive"
    beyond = [pair for pair in found if pair.size > scaled * pair.wander]
    if beyond:
        state = "alarm"
    weights = importance or {}
    return Finding(
        topic="joint_drift",
        subject=SUBJECT,
        state=state,
        cause="changed" if state == "alarm" else None,
        reason=_told(beyond or [most], usual=usual, limit=limit, state=state, columns=len(learned.columns)),
        value=most.size,
        expected=usual,
        limit=limit,
        consequence=most.size * (weights.get(most.first, 0.0) + weights.get(most.second, 0.0)) / 2,
    )


def _missing(learned: LearnedPairs, could_tell_from: str) -> str:
    """Say what the history lacks."""
    if learned.windows >= FEWEST_WINDOWS:
        return (
            f"{learned.telling} of {learned.windows} windows of the history have {FEWEST_ROWS} rows of any pair, and "
            f"{FEWEST_WINDOWS} are needed to tell what that means"
        )
    told = f"; a version as of {could_tell_from} or later can" if could_tell_from else ""
    return (
        f"the history has {learned.windows} windows of this length, and {FEWEST_WINDOWS} are needed to tell what that "
        f"means{told}"
    )


def _pairs(learned: LearnedPairs, current: Floats) -> list[PairChange]:
    """Return all pairs that both sides and enough windows know, the one that changed most by what is usual first."""
    before, now = correlations(learned.reference), correlations(current)
    first, second = np.triu_indices(len(learned.columns), k=1)
    wander = np.where(np.isfinite(learned.wander), learned.wander, np.nan)
    scaled = np.abs(now - before)[first, second] / wander[first, second]
    order = [place for place in np.argsort(-scaled, kind="stable") if np.isfinite(scaled[place])]
    return [
        PairChange(
            learned.columns[i],
            learned.columns[j],
            float(before[i, j]),
            float(now[i, j]),
            float(learned.wander[i, j]),
        )
        for i, j in ((first[place], second[place]) for place in order)
    ]


def _told(pairs: Sequence[PairChange], *, usual: float, limit: float, state: State, columns: int) -> str:
    named = "; ".join(pair.words for pair in pairs[:_TOLD_PAIRS])
    more = f"; and {len(pairs) - _TOLD_PAIRS} more pairs" if len(pairs) > _TOLD_PAIRS else ""
    far = f"{limit:.2f} the limit" if limit < _LARGEST_DISTANCE else "and a history this short sets no limit"
    moved = "no longer go together as they did" if state == "alarm" else "changed most"
    hidden = ", so that a large change would not show" if state == "inconclusive" else ""
    return f"{named}{more} {moved}: a change of {usual:.2f} is usual, {far}{hidden}; of {columns} columns"


def _inconclusive(reason: str) -> Finding:
    return Finding(topic="joint_drift", subject=SUBJECT, state="inconclusive", reason=reason)


def _largest(current: Floats, reference: Floats, *, wander: Floats) -> Floats:
    return (np.abs(changes(current, reference)) / wander).max(axis=(-1, -2))


def _wander(sums: Floats, *, block: int) -> Floats:
    """Compare pairs by their usual change over the windows that know them: an unknown one is no small one.

    A pair counts as one that wanders more than most only where noise does not explain it: scaled down by the noise of
    the very windows that the limit is learned from, the history would look steadier than any new window is.
    """

    def squared(current: Floats, reference: Floats) -> Floats:
        return (correlations(current) - correlations(reference)) ** 2

    changed, _ = compared(sums, block=block, apart=squared)
    times = np.isfinite(changed).sum(axis=0)
    usual = np.sqrt(np.nansum(changed, axis=0) / np.maximum(times, 1))
    windows = np.isfinite(correlations(sums)).sum(axis=0)
    is_known = (times > 0) & (windows >= FEWEST_WINDOWS)
    upper = np.triu_indices(len(usual), k=1)
    varying = usual[upper][is_known[upper] & (usual[upper] > 0)]
    scaled = usual / np.median(varying) if len(varying) else np.ones(usual.shape)
    by_noise = 1.0 + _SURE_ERRORS / np.sqrt(2.0 * np.maximum(windows, 1))
    return np.where(is_known, np.where(scaled > by_noise, scaled, 1.0), np.inf)


def _known_pairs(sums: Floats) -> npt.NDArray[np.bool_]:
    """Say which pairs each window knows: (windows, pairs)."""
    known = np.isfinite(correlations(sums))
    first, second = np.triu_indices(known.shape[-1], k=1)
    return known[:, first, second]


def _points(sums: Floats) -> Floats:
    known = np.nan_to_num(correlations(sums), nan=0.0)
    first, second = np.triu_indices(known.shape[-1], k=1)
    return known[:, first, second]
