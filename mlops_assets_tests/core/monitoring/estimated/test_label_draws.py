"""Drawn labels, and how alike those of a group are."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.label_draws import draw_labels, within_group_correlation

GENERATOR = np.random.default_rng(0)
PROBABILITY = GENERATOR.beta(1, 9, 40_000)
GROUPS = np.arange(40_000) // 8


def _odds(probability: np.ndarray) -> np.ndarray:
    return np.log(probability / (1 - probability)).astype(np.float32)


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.6])
def test_the_correlation_that_labels_were_drawn_with_is_found(correlation: float):
    labels = draw_labels(
        _odds(PROBABILITY[:, np.newaxis]), GROUPS, correlation=correlation, generator=np.random.default_rng(1)
    )[:, 0]
    found = within_group_correlation(PROBABILITY, labels.astype(np.float64), GROUPS)
    assert found == pytest.approx(correlation, abs=0.05)


def test_drawn_labels_keep_their_probabilities():
    drawn = draw_labels(
        _odds(np.tile([[0.02], [0.5]], (1, 20_000))), np.zeros(2, int), correlation=0.5, generator=GENERATOR
    )
    assert drawn.mean(axis=1) == pytest.approx([0.02, 0.5], abs=0.015)


def test_odds_however_large_and_however_near_an_entry_keep_their_probability():
    odds = np.array([-800.0, -36.0, -3.00001, -0.3, 0.0, 0.7, 2.5, 36.0, 800.0], dtype=np.float32)
    alone = draw_labels(
        np.tile(odds[:, np.newaxis], (1, 20_000)), np.arange(9), correlation=0.0, generator=GENERATOR
    )
    expected = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    assert alone.mean(axis=1) == pytest.approx(expected, abs=0.012)
    assert (alone[0].sum(), alone[-1].sum()) == (0, 20_000)


def test_rows_of_their_own_have_no_correlation():
    labels = (GENERATOR.random(1000) < PROBABILITY[:1000]).astype(np.float64)
    assert within_group_correlation(PROBABILITY[:1000], labels, np.arange(1000)) == 0
