"""The promise is shared out over looks and columns."""

import pytest

from mlops_assets.core.monitoring import promise
from mlops_assets.core.monitoring.promise import DRIFT_SHARE, QUARTER_DAYS, chance_of_column, widening


@pytest.mark.parametrize(("columns", "days_between"), [(1, 1), (16, 1), (16, 7), (300, 30)])
def test_the_expected_number_of_false_alarms_is_within_the_promise(columns: int, days_between: int) -> None:
    chance = chance_of_column(per_quarter=1.0, columns=columns, days_between=days_between)
    assert chance * columns * QUARTER_DAYS / days_between <= DRIFT_SHARE + 1e-12


def test_a_generous_promise_and_a_single_look_still_mean_something() -> None:
    assert chance_of_column(per_quarter=20.0, columns=1, days_between=365) == 0.05


def test_the_topics_share_one_promise() -> None:
    shares = {name: value for name, value in vars(promise).items() if name.endswith("_SHARE")}
    assert len(shares) == 8
    assert shares.pop("CUSTOM_SHARE") <= 0.1  # comes besides, where a product has statistics of its own
    assert sum(shares.values()) <= 1.0 + 1e-12


def test_an_interval_is_widened_to_the_promised_chance_and_never_narrowed() -> None:
    assert widening(confidence=0.95, chance=0.05) == pytest.approx(1.0)
    assert widening(confidence=0.95, chance=0.3) == 1.0
    assert widening(confidence=0.95, chance=0.001) == pytest.approx(3.2905 / 1.95996, abs=1e-4)
