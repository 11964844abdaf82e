"""Two numbers with intervals, and what may differ."""

import pytest

from mlops_assets.core.monitoring.quality.difference import Allowance, Measured, judge_difference


def _number(value: float, half: float = 0.01) -> Measured:
    return Measured(value, value - half, value + half)


@pytest.mark.parametrize(
    ("direction", "now", "state"),
    [
        (1, 0.80, "ok"),
        (1, 0.95, "ok"),
        (1, 0.76, "inconclusive"),
        (1, 0.70, "alarm"),
        (-1, 0.70, "ok"),
        (-1, 0.90, "alarm"),
        (0, 0.90, "alarm"),
        (0, 0.70, "alarm"),
        (0, 0.81, "ok"),
    ],
)
def test_a_difference_counts_in_the_direction_that_is_worse(direction: int, now: float, state: str) -> None:
    allowance = Allowance(0.05, direction, 1.0)
    assert judge_difference(_number(now), _number(0.80), allowance) == state


def test_both_intervals_widen_the_difference_and_the_promise_the_alarm() -> None:
    allowance = Allowance(0.05, 1, 1.0)
    assert judge_difference(_number(0.72), _number(0.80), allowance) == "alarm"
    assert judge_difference(_number(0.72), _number(0.80, 0.1), allowance) == "inconclusive"
    assert judge_difference(_number(0.72), _number(0.80), Allowance(0.05, 1, 4.0)) == "inconclusive"
    assert judge_difference(_number(0.79), _number(0.80), Allowance(0.05, 1, 4.0)) == "ok"


def test_the_limit_is_on_the_side_that_matters() -> None:
    then = _number(0.5)
    assert Allowance(0.1, 1, 1.0).limit(_number(0.9), then) == pytest.approx(0.4)
    assert Allowance(0.1, -1, 1.0).limit(_number(0.9), then) == pytest.approx(0.6)
    assert Allowance(0.1, 0, 1.0).limit(_number(0.9), then) == pytest.approx(0.6)
    assert Allowance(0.1, 0, 1.0).limit(_number(0.1), then) == pytest.approx(0.4)
