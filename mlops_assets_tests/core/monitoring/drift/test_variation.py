"""The limit of a distance follows what the history shows: noise, slow entities, small windows."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.drift.variation import FEWEST_WINDOWS, moved_share, variation

BINS = 20


def _still(windows: int, rows: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(rows, np.full(BINS, 1 / BINS), size=windows).astype(float)


def test_the_moved_share_is_what_its_name_says() -> None:
    assert moved_share(np.array([1.0, 1.0]), np.array([10.0, 10.0])) == 0.0
    assert moved_share(np.array([1.0, 0.0]), np.array([0.0, 3.0])) == 1.0
    assert moved_share(np.array([3.0, 1.0]), np.array([1.0, 1.0])) == 0.25
    assert moved_share(np.zeros(2), np.array([1.0, 1.0])) == 0.0


@pytest.mark.parametrize("windows", [8, 25])
def test_a_window_in_which_nothing_happened_rarely_exceeds_the_limit(windows: int) -> None:
    exceeded = []
    for seed in range(300):
        counts = _still(windows + 1, 2_000, seed=seed)
        learned = variation(counts[:-1], reference_windows=windows // 2)
        assert learned is not None
        distance = moved_share(counts[-1], counts[windows // 2 : -1].sum(axis=0))
        exceeded.append(distance > learned.limit(lag=0, rows=2_000, chance=0.02))
    assert np.mean(exceeded) <= 0.05


def test_windows_of_fewer_rows_and_longer_lags_are_allowed_more() -> None:
    learned = variation(_still(20, 2_000, seed=0), reference_windows=5)
    assert learned is not None
    usual = learned.limit(lag=0, rows=2_000, chance=0.001)
    assert learned.limit(lag=0, rows=500, chance=0.001) == pytest.approx(2 * usual)
    assert learned.limit(lag=0, rows=8_000, chance=0.001) == usual
    assert learned.limit(lag=13, rows=2_000, chance=0.001) >= usual


def test_a_history_that_wanders_allows_more_than_one_that_stays() -> None:
    rng = np.random.default_rng(1)
    level = np.cumsum(rng.normal(0, 0.3, 24))
    shares = np.exp(-((np.linspace(-3, 3, BINS)[None, :] - level[:, None]) ** 2))
    wandering = np.array([rng.multinomial(2_000, row / row.sum()) for row in shares]).astype(float)
    stays, wanders = (variation(c, reference_windows=6) for c in (_still(24, 2_000, seed=2), wandering))
    assert stays is not None and wanders is not None
    assert wanders.limit(lag=6, rows=2_000, chance=0.001) > 3 * stays.limit(lag=6, rows=2_000, chance=0.001)
    assert wanders.effective_windows < stays.effective_windows


def test_too_short_a_history_promises_nothing_and_a_constant_one_everything() -> None:
    assert variation(_still(FEWEST_WINDOWS - 1, 100, seed=0), reference_windows=2) is None
    constant = variation(np.tile([50.0, 50.0], (8, 1)), reference_windows=3)
    assert constant is not None
    assert constant.limit(lag=3, rows=100, chance=0.001) == 0.0
