"""A product's own number beside that of windows of its history."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.declared.monitors import Statistic
from mlops_assets.core.monitoring.custom.statistic import judge_statistic
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.promise import CUSTOM_SHARE, chance_of_column

NUMBER = Statistic(pl.len())


def judged(value: float | None, past: Sequence[float | None] | np.ndarray, **changes: Any) -> Finding:
    statistic = changes.pop("statistic", NUMBER)
    options = {"reference_windows": 12, "lag": 0.0, "chance": 1e-3, **changes}
    return judge_statistic("night_share", statistic, value, list(past), **options)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def past(rng: np.random.Generator) -> np.ndarray:
    return 0.3 + 0.01 * rng.standard_normal(40)


def test_a_usual_number_is_ok_and_one_far_off_alarms_with_its_limit(past: np.ndarray) -> None:
    ok, high, low = (judged(value, past) for value in (0.305, 0.45, 0.1))
    assert (ok.state, ok.cause, ok.topic, ok.subject) == ("ok", None, "custom", "night_share")
    assert (high.state, high.cause, low.state) == ("alarm", "changed", "alarm")
    assert high.limit is not None
    assert low.limit is not None
    assert low.limit < 0.3 < high.limit < 0.45
    assert high.expected == pytest.approx(past[-12:].mean())
    assert "0.45" in high.reason


def test_a_sure_difference_that_is_too_small_to_matter_is_none(past: np.ndarray) -> None:
    steady = 0.3 + (past - 0.3) / 100
    assert judged(0.32, steady).state == "ok"  # less than a tenth of the usual value
    assert judged(0.32, steady, statistic=Statistic(pl.len(), smallest_change=0.01)).state == "alarm"
    assert judged(0.34, steady).state == "alarm"


def test_where_windows_differ_by_as_much_as_they_are_it_cannot_be_told(past: np.ndarray) -> None:
    wild = np.abs(past - 0.3) * 30
    found = judged(float(wild.mean()), wild)
    assert (found.state, found.cause) == ("inconclusive", None)
    assert "would not show" in found.reason


def test_a_trend_that_the_history_shows_is_allowed_for(rng: np.random.Generator) -> None:
    rising = np.linspace(1.0, 1.4, 40) + 0.1 * rng.standard_normal(40)
    near, far = (judged(1.5, rising, lag=lag).limit for lag in (0.0, 12.0))
    assert near is not None
    assert far is not None
    assert far > near
    assert judged(1.5, rising, lag=12.0).state != "alarm"
    assert judged(3.0, rising, lag=12.0).state == "alarm"
    assert (
        judged(1.7, np.linspace(1.0, 1.6, 40)).state == "inconclusive"
    )  # of windows that only follow each other


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_a_number_that_is_none_says_nothing(missing: float | None, past: np.ndarray) -> None:
    assert judged(missing, past).state == "inconclusive"
    assert judged(0.3, [missing, *past]).state == "ok"
    few = judged(0.3, [*past[:5], *[missing] * 30])
    assert (few.state, few.value) == ("inconclusive", 0.3)
    assert "5 windows" in few.reason


def test_a_number_that_never_changed_alarms_where_it_does() -> None:
    assert judged(4.0, [4.0] * 20).state == "ok"
    assert judged(5.0, [4.0] * 20).state == "alarm"
    assert judged(0.0, [0.0] * 20).state == "ok"
    assert judged(1.0, [0.0] * 20).state == "alarm"


@pytest.mark.parametrize("windows", [8, 26, 52])
def test_false_alarms_keep_the_promise(windows: int, rng: np.random.Generator) -> None:
    chance = 0.01
    trials = 2_000
    numbers = 10 + rng.standard_normal((trials, windows + 1))
    alarms = sum(
        judged(row[-1], row[:-1], chance=chance, statistic=Statistic(pl.len(), smallest_change=1e-9)).state
        == "alarm"
        for row in numbers
    )
    assert alarms <= trials * chance + 3 * np.sqrt(trials * chance)


def test_more_statistics_need_more_each() -> None:
    one, ten = (chance_of_column(per_quarter=1.0, columns=number, share=CUSTOM_SHARE) for number in (1, 10))
    assert one == pytest.approx(10 * ten)
