"""Bins are made by the reference; every row of a window falls into one."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.monitoring.drift.bins import bins_of, main_value, without
from mlops_assets.core.monitoring.profile import profile_column

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 1)), min_size=1, max_size=80)


@given(VALUES, VALUES, st.booleans())
def test_every_row_falls_into_one_bin(
    reference: list[float], current: list[float], is_category: bool
) -> None:
    profile = profile_column(pl.Series(current))
    bins = bins_of(profile_column(pl.Series(reference)), is_category=is_category)
    counts = bins.counts(profile)
    assert counts.shape == (bins.number,)
    assert counts.sum() == len(current)


def test_equal_rows_of_a_continuous_column_fill_the_bins_equally_and_heavy_values_have_their_own() -> None:
    numbers = np.random.default_rng(0).normal(0, 1, 40_000)
    profile = profile_column(pl.Series(numbers))
    counts = bins_of(profile, is_category=False).counts(profile)
    assert len(counts) == 20
    assert counts.max() < 1.3 * counts.min()
    mostly = profile_column(pl.Series(np.where(np.arange(1000) < 300, 7.0, np.arange(1000) * 1.0)))
    bins = bins_of(mostly, is_category=False)
    assert bins.heavy.tolist() == [7.0]
    assert 300 in bins.counts(mostly)


def test_the_usual_value_is_that_of_more_than_half_and_can_be_left_out() -> None:
    profile = profile_column(pl.Series([0.0, 0.0, 0.0, 1.0, None]))
    assert main_value(profile) == 0.0
    rest = without(profile, 0.0)
    assert (rest.rows, rest.values.tolist()) == (1, [1.0])
    assert main_value(profile_column(pl.Series([0.0, 1.0]))) is None
    assert main_value(profile_column(pl.Series([None], dtype=pl.Float64))) is None
