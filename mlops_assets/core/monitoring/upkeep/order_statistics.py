"""A high quantile of measured times, with bounds that hold whatever their distribution."""

import math

import polars as pl

ENOUGH_ANSWERS = 400
"""From 368 on, 19 of 20 samples have an answer above the true p99: only then has it an upper bound."""
CONFIDENCE = 0.95
_SHARE = 0.99


def p99_with_bounds(sorted_values: pl.Series) -> tuple[float, float, float]:
    """Return the 99th percentile with a 95 % interval for it, of values in ascending order, at least one.

    Order statistics bound a quantile whatever the distribution (David and Nagaraja 2003, section 7.1). A bound that too
    few values cannot give is 0 or infinite.
    """
    from scipy.stats import binom

    count = len(sorted_values)
    tail = (1 - CONFIDENCE) / 2
    low, high = int(binom.ppf(tail, count, _SHARE)), int(binom.ppf(1 - tail, count, _SHARE)) + 1
    value = sorted_values[math.ceil(_SHARE * count) - 1]
    return (
        value,
        sorted_values[low - 1] if low >= 1 else 0.0,
        sorted_values[high - 1] if high <= count else math.inf,
    )
