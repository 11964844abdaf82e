"""The rate of a label, judged by the windows of its history."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.history import Span
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.quality.label_rate import (
    KnownLabels,
    label_days,
    label_drift,
    labels_known_to,
)
from mlops_assets.core.product_spec import Monitoring
from mlops_assets_tests.support.product_specs import FRAUD

FIRST = date(2024, 1, 1)
AS_OF = FIRST + timedelta(days=140)
WINDOW = DayRange(AS_OF + timedelta(days=7), AS_OF + timedelta(days=14))
MONITORING = Monitoring()


def _judge(rate: float, *, now: float | None = None, rows: int = 1000, past: int = 140) -> Finding:
    """Labels of a steady rate for `past` days, then of another one in the window."""
    generator = np.random.default_rng(0)
    begin = AS_OF - timedelta(days=past)
    days: dict[date, tuple[int, int]] = {}
    for number in range((WINDOW.end - begin).days):
        day = begin + timedelta(days=number)
        chance = now if now is not None and day >= WINDOW.first else rate
        days[day] = (rows, int(generator.binomial(rows, chance)))
    labels = KnownLabels("is_fraud", label_days(days), Span(begin, AS_OF), 56)
    return label_drift(labels, window=WINDOW, monitoring=MONITORING)


@pytest.mark.parametrize(
    ("rate", "now", "state"),
    [
        (0.01, None, "ok"),
        (0.01, 0.02, "alarm"),
        (0.01, 0.012, "ok"),  # sure by the number of rows, and too small to matter
        (0.4, None, "ok"),
        (0.4, 0.45, "ok"),
        (0.4, 0.6, "alarm"),
        (0.99, 0.97, "alarm"),
    ],
)
def test_a_rate_that_changed_by_half_of_the_rarer_outcome_is_found(
    rate: float, now: float | None, state: str
) -> None:
    finding = _judge(rate, now=now)
    assert (finding.topic, finding.subject, finding.state) == ("label_drift", "is_fraud", state)
    assert finding.cause == ("changed" if state == "alarm" else None)
    assert finding.value == pytest.approx(now or rate, rel=0.25)
    assert finding.expected == pytest.approx(rate, rel=0.1)


def test_the_limit_lies_on_the_side_of_the_value() -> None:
    more, less = _judge(0.1, now=0.3), _judge(0.1, now=0.01)
    assert more.limit is not None
    assert less.limit is not None
    assert less.limit < 0.1 < more.limit
    assert (more.state, less.state) == ("alarm", "alarm")


def test_what_cannot_be_told_is_said() -> None:
    assert "3 outcomes became known" not in _judge(0.1).reason
    few = _judge(0.1, rows=5)
    assert (few.state, few.reason) == ("inconclusive", "35 outcomes became known, 50 are needed")
    short = _judge(0.1, past=21)
    assert (short.state, short.reason) == (
        "inconclusive",
        "the history has 3 windows of outcomes, 6 are needed",
    )
    noisy = _judge(0.01, rows=30)
    assert noisy.state == "inconclusive"
    assert "a moderate change would not show" in noisy.reason


def test_labels_of_later_days_change_nothing() -> None:
    days = {FIRST + timedelta(days=number): (100, 10 + number % 3) for number in range(160)}
    known = KnownLabels("y", label_days(days), Span(FIRST, AS_OF), 56)
    later = {**days, FIRST + timedelta(days=161): (100, 90)}
    assert label_drift(known, window=WINDOW, monitoring=MONITORING) == label_drift(
        KnownLabels("y", label_days(later), Span(FIRST, AS_OF), 56), window=WINDOW, monitoring=MONITORING
    )


def test_days_on_which_only_early_labels_were_known_are_no_history() -> None:
    assert FRAUD.time is not None
    as_of = datetime(2018, 9, 20, tzinfo=UTC)
    known = labels_known_to(FRAUD, {}, as_of=as_of)
    assert known.history == Span(FRAUD.time.start_date + FRAUD.label_delay, as_of.date())
    assert FRAUD.label_delay == timedelta(days=7)
    long_after = labels_known_to(FRAUD, {}, as_of=as_of.replace(year=2021))
    assert (long_after.history.end - long_after.history.first).days == 364
    assert known.reference_days > FRAUD.monitoring.window_days
