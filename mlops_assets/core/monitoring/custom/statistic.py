"""A number of a window beside the same number of windows of the history."""

from collections.abc import Sequence

import numpy as np

from mlops_assets.core.declared.monitors import Statistic
from mlops_assets.core.monitoring.drift.variation import FEWEST_WINDOWS, Floats, Measure, Variation, variation
from mlops_assets.core.monitoring.finding import Finding, State

SMALLEST_CHANGE = 0.1
"""Part of the usual value by which a number must change before it counts, unless the product says otherwise."""
_VALUE, _ONE = 0, 1


def judge_statistic(
    name: str,
    statistic: Statistic,
    value: float | None,
    past: Sequence[float | None],
    *,
    reference_windows: int,
    lag: float,
    chance: float,
) -> Finding:
    """Judge a window's number by those of windows of the history that do not overlap.

    The usual value is the mean of the newest `reference_windows` of them. The limit is that of a prediction interval:
    Student's t with the effective number of windows. That windows follow each other, and that they differ more the
    further they lie apart in time, is learned as for a column's drift (drift/variation.py).

    name, statistic: the monitor. value: of the window; None where it has none. past: of the history, oldest first. lag:
    windows of time between history and window. chance: how probable a false alarm may be.
    """
    known = np.array([one for one in past if one is not None and np.isfinite(one)], dtype=np.float64)
    sums = np.column_stack([known, np.ones_like(known)])
    learned = variation(sums, reference_windows=reference_windows, measure=_MEANS)
    if value is None or not np.isfinite(value):
        return _finding(name, "inconclusive", f"{name} has no value in the window")
    if learned is None:
        why = (
            f"{name} is {value:.4g}; the history has {len(known)} windows of it, {FEWEST_WINDOWS} are needed"
        )
        return _finding(name, "inconclusive", why, value=value)
    usual = float(known[-min(reference_windows, len(known)) :].mean())
    least = SMALLEST_CHANGE * abs(usual) if statistic.smallest_change is None else statistic.smallest_change
    limit = max(least, _limit(known, learned, newest=reference_windows, lag=lag, chance=chance))
    moved = value - usual
    state: State = "alarm" if abs(moved) > limit else "ok"
    told = f"{name} is {value:.4g}, {usual:.4g} is usual, {limit:.4g} the limit of the difference"
    if state == "ok" and limit > max(abs(usual), least):
        state = "inconclusive"
        told += ", so that a change as large as the usual value would not show"
    beyond = usual + (limit if moved >= 0 else -limit)
    return _finding(name, state, told, value=value, usual=usual, limit=beyond)


def _limit(known: Floats, learned: Variation, *, newest: int, lag: float, chance: float) -> float:
    """How far from the usual value a window lies with probability `chance` when nothing happened."""
    from scipy.stats import t as student

    dependence = len(known) / learned.effective_windows
    of_mean = dependence / min(newest, len(known))
    # Windows that follow each other lie closer together than their number says.
    spread = (
        known.var(ddof=1) * (1.0 - 1.0 / len(known)) / (1.0 - min(dependence, len(known) / 2) / len(known))
    )
    variance = spread * (1.0 + of_mean) + learned.squared_per_lag * lag
    return float(student.isf(chance / 2, learned.effective_windows - 1.0) * np.sqrt(variance))


def _finding(
    name: str,
    state: State,
    reason: str,
    *,
    value: float | None = None,
    usual: float | None = None,
    limit: float | None = None,
) -> Finding:
    return Finding(
        topic="custom",
        subject=name,
        state=state,
        cause="changed" if state == "alarm" else None,
        reason=reason,
        value=value,
        expected=usual,
        limit=limit,
    )


def _apart(current: Floats, reference: Floats) -> Floats:
    return np.abs(current[..., _VALUE] / current[..., _ONE] - reference[_VALUE] / reference[_ONE])


_MEANS = Measure(apart=_apart, points=lambda sums: sums[:, [_VALUE]], rows=lambda sums: sums[:, _ONE])
