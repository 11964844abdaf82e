"""A pair that goes together differently alarms and is named; noise, short histories and few rows do not."""

import numpy as np

from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.joint.dependence import Floats, length_of_sums, pair_sums
from mlops_assets.core.monitoring.joint.verdict import (
    LARGE_CHANGE,
    SMALLEST_CHANGE,
    SUBJECT,
    LearnedPairs,
    judge_pairs,
    learn_pairs,
)

COLUMNS = ("amount", "merchant_risk", "hour", "distance", "age")


def _week(*, seed: int, rows: int = 2_000, amount_and_risk: float = 0.6) -> Floats:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, len(COLUMNS)))
    values[:, 1] = amount_and_risk * values[:, 0] + np.sqrt(1 - amount_and_risk**2) * values[:, 1]
    return pair_sums(values)


def _learned(*, windows: int = 16, rows: int = 2_000) -> LearnedPairs:
    past = [_week(seed=1_000 + number, rows=rows) for number in range(windows)]
    return learn_pairs(past, columns=COLUMNS, reference_windows=6)


def _judged(learned: LearnedPairs, current: Floats) -> Finding:
    return judge_pairs(
        learned,
        current,
        lag=1.0,
        chance=0.001,
        minimum_rows=100,
        importance={"amount": 0.5, "merchant_risk": 0.3},
        could_tell_from="2026-03-01",
    )


def test_a_window_like_the_others_is_ok() -> None:
    found = _judged(_learned(), _week(seed=1))
    assert (found.topic, found.subject, found.state, found.cause) == ("joint_drift", SUBJECT, "ok", None)
    assert found.limit is not None and SMALLEST_CHANGE <= found.limit <= LARGE_CHANGE


def test_the_pair_that_no_longer_goes_together_is_named_with_both_correlations() -> None:
    found = _judged(_learned(), _week(seed=1, amount_and_risk=0.0))
    assert (found.state, found.cause) == ("alarm", "changed")
    assert found.reason.startswith("amount and merchant_risk (correlation 0.6")
    assert found.value is not None and abs(found.value - 0.6) < 0.1
    assert found.consequence is not None and abs(found.consequence - found.value * 0.4) < 1e-9


def test_a_change_that_is_sure_but_small_does_not_alarm() -> None:
    found = _judged(_learned(rows=50_000), _week(seed=1, rows=50_000, amount_and_risk=0.45))
    assert found.state == "ok"
    assert found.value is not None and found.expected is not None and found.value > 5 * found.expected


def test_too_short_a_history_and_too_few_rows_are_inconclusive_and_say_what_is_missing() -> None:
    short = _judged(_learned(windows=5), _week(seed=1, amount_and_risk=0.0))
    assert short.state == "inconclusive"
    assert "5 windows" in short.reason and "2026-03-01" in short.reason
    few = _judged(_learned(), _week(seed=1, rows=60))
    assert (few.state, few.reason) == ("inconclusive", "the window has 60 rows, 100 are needed")
    empty = learn_pairs([np.zeros(length_of_sums(5))], columns=COLUMNS, reference_windows=1)
    assert "no pair" in _judged(empty, _week(seed=1)).reason


def test_windows_of_few_rows_hide_a_large_change_and_say_so() -> None:
    found = judge_pairs(
        _learned(rows=60, windows=7), _week(seed=1, rows=60), lag=1.0, chance=1e-14, minimum_rows=10
    )
    assert found.state == "inconclusive" and "would not show" in found.reason


def test_a_pair_that_always_wanders_does_not_hide_the_others() -> None:
    past = [
        _week(seed=number, amount_and_risk=float(np.random.default_rng(number).uniform(-0.9, 0.9)))
        for number in range(20)
    ]
    learned = learn_pairs(past, columns=COLUMNS, reference_windows=8)
    assert learned.wander[0, 1] > 4 > learned.wander[2, 3]
    values = np.random.default_rng(7).standard_normal((2_000, len(COLUMNS)))
    values[:, 3] = 0.5 * values[:, 2] + np.sqrt(0.75) * values[:, 3]
    found = _judged(learned, pair_sums(values))
    assert found.state == "alarm" and found.reason.startswith("hour and distance")


def test_a_history_of_windows_with_too_few_rows_sets_no_limit() -> None:
    found = _judged(_learned(rows=42), _week(seed=1, rows=140))
    assert (found.state, found.limit) == ("inconclusive", None)
    assert "0 of 16 windows of the history have 50 rows of any pair" in found.reason


def test_a_pair_that_hardly_a_window_of_the_history_knows_is_not_judged() -> None:
    def week(*, seed: int, rare: int) -> Floats:
        values = np.random.default_rng(seed).standard_normal((2_000, len(COLUMNS)))
        values[rare:, 0] = np.nan
        return pair_sums(values)

    past = [week(seed=1_000 + number, rare=45) for number in range(16)]
    learned = learn_pairs(past, columns=COLUMNS, reference_windows=6)
    found = [_judged(learned, week(seed=number, rare=55)) for number in range(50)]
    assert {one.state for one in found} == {"ok"}
    assert not any("amount" in one.reason for one in found)


def test_a_short_history_does_not_take_its_own_noise_for_pairs_that_wander() -> None:
    def week(seed: int) -> Floats:
        return pair_sums(np.random.default_rng(seed).standard_normal((140, 15)))

    names = [f"column {number}" for number in range(15)]
    found = []
    for history in range(10):
        seeds = range(1_000 * history, 1_000 * history + 20)
        learned = learn_pairs([week(seed) for seed in seeds[:8]], columns=names, reference_windows=4)
        found += [_judged(learned, week(seed)) for seed in seeds[8:]]
    # Scaled by their own noise, a third of these windows alarmed.
    assert sum(one.state == "alarm" for one in found) <= 0.05 * len(found)
