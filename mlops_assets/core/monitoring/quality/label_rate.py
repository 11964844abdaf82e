"""Label drift: whether the label is as frequent among the outcomes that became known as in windows of the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.column import History
from mlops_assets.core.monitoring.drift.history import HISTORY_DAYS, Span, history_of, history_spans, lag_of
from mlops_assets.core.monitoring.drift.variation import FEWEST_WINDOWS, Variation, variation
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.profile import ColumnProfile, add
from mlops_assets.core.monitoring.promise import LABEL_DRIFT_SHARE, chance_of_column
from mlops_assets.core.product_spec import Monitoring, ProductSpec, TimeSplit

SMALLEST_CHANGE = 0.5
"""Part of the rarer outcome's rate by which the rate must change before it counts, however sure that is; of a frequent
label a tenth of the rows."""
MODERATE_CHANGE = 1.0
"""Part of it that must show before a rate is called stable; of a frequent label three tenths of the rows."""
_MOST = {SMALLEST_CHANGE: 0.1, MODERATE_CHANGE: 0.3}


@dataclass(frozen=True)
class KnownLabels:
    """Labels of a product by the day on which they became known, and the history that a champion knew of them."""

    label: str
    by_day: Mapping[date, ColumnProfile]
    """Values 0 and 1 with their counts; a day on which none became known has none."""
    history: Span
    """A year at most before the champion's as-of time, without the first days, when only early labels were known."""
    reference_days: int
    """How many of the newest of them a window is compared with."""


def label_days(rows: Mapping[date, tuple[int, int]]) -> dict[date, ColumnProfile]:
    """Return profiles of days from the labels that became known on them: how many, and how many of them are 1."""
    return {
        day: ColumnProfile(count, 0, np.array([0.0, 1.0]), np.array([count - positives, positives]))
        for day, (count, positives) in rows.items()
    }


def labels_known_to(
    spec: ProductSpec, by_day: Mapping[date, ColumnProfile], *, as_of: datetime
) -> KnownLabels:
    """Return the labels of a product with a time axis beside what a champion of this as-of time knew of them."""
    end, split = as_of.date(), spec.split
    first = end - timedelta(days=HISTORY_DAYS)
    if spec.time is not None:
        first = max(first, spec.time.start_date + spec.label_delay)
    days = spec.monitoring.window_days
    if isinstance(split, TimeSplit):
        days = split.train_days + split.validation_days + split.test_days + 2 * split.gap_days
    return KnownLabels(spec.label.column, by_day, Span(first, end), days)


def label_drift(
    labels: KnownLabels, *, window: DayRange, monitoring: Monitoring, days_between: int = 1
) -> Finding:
    """Judge the rate of the label among the outcomes that became known in a window.

    Outcomes are taken by the day on which they became known, in the window and in the history alike, so that both hold
    early and late ones in the same mixture. The limit comes from how far windows of the history lie from each other, as
    that of drift does.

    window: days that are judged. monitoring: least rows and the promise. days_between: one report and the next.
    """
    history = labels.history
    spans = history_spans(
        history.first,
        history.end,
        window_days=monitoring.window_days,
        last_day=window.end - timedelta(days=1),
    )
    past = history_of(labels.by_day, spans, reference_days=labels.reference_days)
    inside = Span(window.first, window.end).days()
    current = add([labels.by_day[day] for day in inside if day in labels.by_day])
    learned = variation(_counts(past), reference_windows=past.reference_windows) if past.windows else None
    if current.rows < monitoring.minimum_rows:
        why = f"{current.rows} outcomes became known, {monitoring.minimum_rows} are needed"
        return _finding(labels.label, "inconclusive", why)
    if learned is None or not past.reference.rows:
        why = f"the history has {len(past.windows)} windows of outcomes, {FEWEST_WINDOWS} are needed"
        return _finding(labels.label, "inconclusive", why, value=_rate(current))
    lag = lag_of(history.end, window.first, window_days=monitoring.window_days)
    return _judged(
        labels.label, current, past, learned, lag=lag, monitoring=monitoring, days_between=days_between
    )


def _judged(
    label: str,
    current: ColumnProfile,
    past: History,
    learned: Variation,
    *,
    lag: float,
    monitoring: Monitoring,
    days_between: int,
) -> Finding:
    chance = chance_of_column(
        per_quarter=monitoring.false_alarms_per_quarter,
        columns=1,
        days_between=days_between,
        share=LABEL_DRIFT_SHARE,
    )
    rate, usual = _rate(current), _rate(past.reference)
    sure = learned.limit(lag=lag, rows=current.rows, chance=chance)
    limit = min(1.0, max(sure, _size(SMALLEST_CHANGE, usual)))
    moved = abs(rate - usual)
    state: State = "alarm" if moved > limit else "ok"
    told = f"the rate of {label} among {current.rows:,} known outcomes is {rate:.3%}, {usual:.3%} is usual"
    told += f", {limit:.3%} the limit of the difference"
    if state == "ok" and limit > _size(MODERATE_CHANGE, usual):
        state, told = "inconclusive", f"{told}, so that a moderate change would not show"
    return _finding(
        label, state, told, value=rate, expected=usual, limit=usual + (limit if rate >= usual else -limit)
    )


def _finding(
    label: str,
    state: State,
    reason: str,
    *,
    value: float | None = None,
    expected: float | None = None,
    limit: float | None = None,
) -> Finding:
    return Finding(
        topic="label_drift",
        subject=label,
        state=state,
        cause="changed" if state == "alarm" else None,
        reason=reason,
        value=value,
        expected=expected,
        limit=limit,
        consequence=None if value is None or expected is None else abs(value - expected),
    )


def _size(part: float, rate: float) -> float:
    return min(_MOST[part], part * min(rate, 1 - rate))


def _counts(past: History) -> np.ndarray:
    return np.array([_both(one) for one in past.windows])


def _both(profile: ColumnProfile) -> tuple[float, float]:
    positives = float(profile.counts[profile.values == 1.0].sum())
    return profile.rows - positives, positives


def _rate(profile: ColumnProfile) -> float:
    return _both(profile)[1] / profile.rows
