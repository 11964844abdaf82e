"""Drawn labels, and how alike those of a group are."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.label_draws import draw_labels, within_group_correlation

GENERATOR = np.random.default_rng(0)
PROBABILITY = GENERATOR.beta(1, 9, 40_000)
GROUPS = np.arange(40_000) // 8


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.6])
def test_the_correlation_that_labels_were_drawn_with_is_found(correlation: float):
    labels = draw_labels(
        PROBABILITY[:, np.newaxis], GROUPS, correlation=correlation, generator=np.random.default_rng(1)
    )[:, 0]
    found = within_group_correlation(PROBABILITY, labels.astype(np.float64), GROUPS)
    assert found == pytest.approx(correlation, abs=0.05)


def test_drawn_labels_keep_their_probabilities():
    drawn = draw_labels(
        np.tile([[0.02], [0.5]], (1, 20_000)), np.zeros(2, int), correlation=0.5, generator=GENERATOR
    )
    assert drawn.mean(axis=1) == pytest.approx([0.02, 0.5], abs=0.015)


def test_rows_of_their_own_have_no_correlation():
    labels = (GENERATOR.random(1000) < PROBABILITY[:1000]).astype(np.float64)
    assert within_group_correlation(PROBABILITY[:1000], labels, np.arange(1000)) == 0
