"""The index against hand-made shares, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mlops_assets.core.monitoring.population_stability import population_stability_index

samples = st_numpy.arrays(
    np.float64, st.integers(1, 80), elements=st.sampled_from([0.0, 1.0, 2.5, 7.0]) | st.floats(-1e6, 1e6)
)


def test_two_categories_give_the_formula_by_hand():
    reference = np.array([0.0] * 90 + [1.0] * 10)
    current = np.array([0.0] * 50 + [1.0] * 50)
    r, c = [90.5 / 101, 10.5 / 101], [50.5 / 101, 50.5 / 101]
    expected = sum((a - b) * math.log(a / b) for a, b in zip(r, c, strict=True))
    assert population_stability_index(reference, current) == pytest.approx(expected)


@given(sample=samples, seed=st.integers(0, 3))
def test_a_sample_never_differs_from_itself_in_another_order(sample: np.ndarray, seed: int):
    shuffled = np.random.default_rng(seed).permutation(sample)
    assert population_stability_index(sample, shuffled) == pytest.approx(0.0, abs=1e-12)


@given(reference=samples, current=samples)
def test_the_index_is_finite_and_never_negative(reference: np.ndarray, current: np.ndarray):
    index = population_stability_index(reference, current)
    assert math.isfinite(index)
    assert index >= 0


def test_a_category_that_the_reference_never_had_counts():
    reference = np.array([0.0, 1.0] * 500)
    current = np.array([0.0, 1.0] * 350 + [5.0] * 300)
    assert population_stability_index(reference, current) > 0.2


@pytest.mark.parametrize("heavy_end", [0.0, 1.0])
def test_mass_that_leaves_a_heavy_value_is_seen_at_either_end(heavy_end: float):
    rng = np.random.default_rng(0)
    inner = rng.uniform(0.01, 0.99, 2000)
    reference = np.where(rng.random(2000) < 0.9, heavy_end, inner)
    current = np.where(rng.random(2000) < 0.5, heavy_end, inner)
    assert population_stability_index(reference, current) > 0.5


def test_a_skewed_score_that_doubles_is_seen_where_equal_widths_would_hide_it():
    rng = np.random.default_rng(0)
    reference, current = rng.lognormal(-4, 1.5, 5000), rng.lognormal(-4 + math.log(2), 1.5, 5000)
    assert population_stability_index(reference, current) > 0.15


def test_one_extreme_value_does_not_move_the_index():
    rng = np.random.default_rng(0)
    reference, current = rng.normal(size=5000), rng.normal(size=5000)
    assert population_stability_index(reference, np.append(current, 1e12)) < 0.01
