"""Sums over pairs add up over days, and say how columns go together whatever their own distributions are."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from mlops_assets.core.monitoring.joint.dependence import (
    FEWEST_ROWS,
    changes,
    correlations,
    length_of_sums,
    normal_scores,
    pair_sums,
    rows_of,
)


def _pair(rows: int, correlation: float, *, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((rows, 2))
    second = correlation * noise[:, 0] + np.sqrt(1 - correlation**2) * noise[:, 1]
    return np.column_stack([noise[:, 0], second])


def test_a_score_is_that_of_the_middle_rank() -> None:
    values = np.array([3.0, -1.0, 3.0, 0.0, 7.0, 3.0])
    assert normal_scores(values) == pytest.approx(norm.ppf(rankdata(values) / 7))
    assert len(normal_scores(np.empty(0))) == 0


def test_days_add_up_to_the_correlation_of_their_rows() -> None:
    days = [pair_sums(_pair(400, 0.6, seed=seed)) for seed in range(7)]
    assert {len(day) for day in days} == {length_of_sums(2)}
    week = np.sum(days, axis=0)
    assert rows_of(week) == 2_800
    assert correlations(week)[0, 1] == pytest.approx(0.6, abs=0.04)


def test_a_column_that_moves_or_changes_its_form_changes_nothing() -> None:
    rows = _pair(500, 0.5, seed=1)
    moved = np.column_stack([np.exp(3 * rows[:, 0]) + 100, rows[:, 1]])
    assert pair_sums(moved) == pytest.approx(pair_sums(rows))


def test_rows_that_lack_one_value_count_in_the_pairs_that_have_both() -> None:
    rows = np.column_stack([_pair(1_000, 0.7, seed=2), np.arange(1_000.0)])
    rows[::2, 0], rows[1, 1] = np.nan, np.inf
    sums = pair_sums(rows)
    held = sums[:9].reshape(3, 3)
    assert held.astype(int).tolist() == [[500, 499, 500], [499, 999, 999], [500, 999, 1000]]
    assert correlations(sums)[0, 1] == pytest.approx(0.7, abs=0.06)


def test_a_pair_of_few_rows_or_of_a_constant_is_not_compared() -> None:
    few, constant = _pair(FEWEST_ROWS - 1, 0.9, seed=3), np.column_stack([np.arange(90.0), np.ones(90)])
    reference = pair_sums(_pair(900, 0.0, seed=4))
    for rows in (few, constant):
        assert np.isnan(correlations(pair_sums(rows))[0, 1])
        assert changes(pair_sums(rows), reference).tolist() == [[0.0, 0.0], [0.0, 0.0]]
