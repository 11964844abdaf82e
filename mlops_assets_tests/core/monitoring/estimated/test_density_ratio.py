"""Density ratios of populations whose ratio is known."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.density_ratio import shift_between
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows


def test_populations_that_are_alike_weigh_every_row_the_same():
    shift = shift_between(drawn_rows(3000, seed=0)[0], drawn_rows(2000, seed=1)[0], seed=0)
    assert shift.outside_share == 0
    assert shift.effective_rows > 0.99 * 3000


def test_the_weights_move_the_reference_to_the_windows_mean():
    reference, window = drawn_rows(6000, seed=0)[0], drawn_rows(4000, seed=1, shift=0.5)[0]
    shift = shift_between(reference, window, seed=0)
    assert shift.weights.mean() == pytest.approx(1)
    weighted = np.average(reference.features, axis=0, weights=shift.weights)
    assert np.abs(weighted - window.features.mean(axis=0)).max() < 0.12
    assert shift.effective_rows < 0.9 * 6000


def test_a_window_that_the_reference_never_saw_lies_outside():
    shift = shift_between(drawn_rows(3000, seed=0)[0], drawn_rows(3000, seed=1, shift=6.0)[0], seed=0)
    assert shift.outside_share > 0.9


def test_rows_of_one_group_do_not_give_each_other_away():
    reference, window = (drawn_rows(3000, seed=seed, group_rows=30)[0] for seed in (0, 1))
    for rows in (reference, window):
        rows.features[:, 1] = np.random.default_rng(len(rows)).normal(size=100)[rows.groups] + rows.scores * 0
    assert shift_between(reference, window, seed=0).effective_rows > 0.9 * 3000


def test_of_many_rows_trees_of_a_sample_judge_all(monkeypatch: pytest.MonkeyPatch):
    reference, window = drawn_rows(6000, seed=0)[0], drawn_rows(4000, seed=1, shift=0.5)[0]
    monkeypatch.setattr("mlops_assets.core.monitoring.estimated.density_ratio.FITTED_ROWS", 1500)
    shift = shift_between(reference, window, seed=0)
    assert len(shift.weights) == 6000
    weighted = np.average(reference.features, axis=0, weights=shift.weights)
    assert np.abs(weighted - window.features.mean(axis=0)).max() < 0.2
