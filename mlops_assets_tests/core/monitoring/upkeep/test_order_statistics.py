"""Bounds of a high quantile."""

import math

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.upkeep.order_statistics import p99_with_bounds


def test_the_interval_holds_the_true_p99_as_often_as_it_says() -> None:
    draws = np.random.default_rng(7).exponential(size=(1000, 600))
    truth = -math.log(0.01)
    bounds = [p99_with_bounds(pl.Series(np.sort(row)))[1:] for row in draws]
    held = sum(low <= truth <= high for low, high in bounds)
    assert 0.95 <= held / 1000 <= 0.99
    assert p99_with_bounds(pl.Series([1.0])) == (1.0, 1.0, math.inf)
