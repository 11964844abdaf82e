"""The population stability index of a column between two samples."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

BINS = 10
"""Deciles of the reference, the usual choice (Siddiqi 2006, Credit Risk Scorecards)."""
MAXIMUM_CATEGORIES = 20
"""A reference with at most this many distinct values is compared value by value."""
MOST_CATEGORIES = 200
CATEGORY_NOISE = 0.05
"""What chance alone may add to the index of categories: with k bins, samples of n and m rows of one distribution differ
by (k - 1) (1/n + 1/m) in the mean (Yurdakul 2018), so that few rows carry few categories of their own.
"""
MOSTLY = 0.5
"""Share of the reference above which a column counts as mostly this one value."""
ROWS_PER_BIN = 20
"""Rows 1 / (1/n + 1/m) that the rest of a mostly constant column has for each of its bins. Of one distribution the
index times these rows is a chi-square of k - 1 degrees of freedom (Yurdakul 2018), so that 0.2 is exceeded by chance in
0.5 % of columns with two bins, in 0.05 % with five.
"""


@dataclass(frozen=True)
class MostlyConstant:
    """A column that is mostly one value: how often it is, and how the other values are distributed, each by itself.

    In an index over all rows what moves among a few of them has the weight of the few.
    """

    value: float
    share_reference: float
    share_current: float
    share_index: float
    """Of this value against all others."""
    rest_index: float | None
    """Of the others alone; None when there are too few of them to tell."""


def mostly_constant(
    reference: Values, current: Values, *, is_category: bool = False
) -> MostlyConstant | None:
    """Judge the share of a value that holds more than half of the reference apart from the rest; None without one.

    Both arrays are finite and not empty. The bins of the rest are quantiles of the reference's rest, or its most
    frequent categories, at most BINS and one for every ROWS_PER_BIN rows.
    """
    distinct, counts = np.unique(reference, return_counts=True)
    value = distinct[np.argmax(counts)]
    is_ours, is_theirs = reference == value, current == value
    if is_ours.mean() <= MOSTLY:
        return None
    share = _divergence(is_ours.astype(np.intp), is_theirs.astype(np.intp), 2)
    ours, theirs = reference[~is_ours], current[~is_theirs]
    rows = 1 / (1 / ours.size + 1 / theirs.size) if ours.size and theirs.size else 0.0
    bins = min(BINS, int(rows / ROWS_PER_BIN))
    rest = None
    if bins > 1:
        rest = _most_frequent(ours, theirs, bins) if is_category else _quantiles(ours, theirs, bins)
    return MostlyConstant(float(value), float(is_ours.mean()), float(is_theirs.mean()), share, rest)


def population_stability_index(reference: Values, current: Values, *, is_category: bool = False) -> float:
    """Return Σ (r - c) · ln(r / c) over bins, r and c being a bin's share in `reference` and in `current`.

    0 means equal shares; symmetric in the two samples but for the choice of bins, which the reference
    makes: its deciles, a value that holds more than one decile having a bin of its own, or its distinct
    values when it has few, all values that it never had sharing one further bin. Shares are smoothed by
    half a row per bin (Jeffreys' prior; Krichevsky and Trofimov 1981), so that an empty bin gives a large
    finite term instead of an infinite one. Both arrays are finite and not empty.

    Values that are codes of categories (`is_category`) are never put in order: the most frequent ones of both samples
    have a bin each, as many as CATEGORY_NOISE allows, at least BINS and at most MOST_CATEGORIES; the others share one.

    Source: Siddiqi 2006; Kullback and Leibler 1951, whose symmetric divergence this is.
    """
    if is_category:
        return _category_index(reference, current)
    distinct = np.unique(reference)
    if distinct.size <= MAXIMUM_CATEGORIES:
        return _divergence(
            _categories(reference, distinct), _categories(current, distinct), distinct.size + 1
        )
    return _quantiles(reference, current, BINS)


def _quantiles(reference: Values, current: Values, bins: int) -> float:
    quantiles = np.quantile(reference, np.arange(1, bins) / bins, method="inverted_cdf")
    return _divergence(_intervals(reference, quantiles), _intervals(current, quantiles), 2 * bins)


def _category_index(reference: Values, current: Values) -> float:
    allowed = 1 + int(CATEGORY_NOISE / (1 / reference.size + 1 / current.size))
    kept = min(max(allowed, BINS), MOST_CATEGORIES)
    return _most_frequent(reference, current, kept)


def _most_frequent(reference: Values, current: Values, kept: int) -> float:
    distinct, counts = np.unique(np.concatenate([reference, current]), return_counts=True)
    largest = np.sort(distinct[np.argsort(-counts, kind="stable")[:kept]])
    return _divergence(_categories(reference, largest), _categories(current, largest), largest.size + 1)


def _categories(values: Values, distinct: Values) -> npt.NDArray[np.intp]:
    position = np.minimum(np.searchsorted(distinct, values), distinct.size - 1)
    return np.where(distinct[position] == values, position, distinct.size)


def _intervals(values: Values, quantiles: Values) -> npt.NDArray[np.intp]:
    edges, repeats = np.unique(quantiles, return_counts=True)
    heavy = edges[repeats > 1]
    return np.searchsorted(edges, values, side="left") + np.searchsorted(heavy, values, side="right")


def _divergence(reference: npt.NDArray[np.intp], current: npt.NDArray[np.intp], bins: int) -> float:
    reference_counts = np.bincount(reference, minlength=bins)
    current_counts = np.bincount(current, minlength=bins)
    used = (reference_counts + current_counts) > 0
    r = (reference_counts[used] + 0.5) / (reference.size + 0.5 * used.sum())
    c = (current_counts[used] + 0.5) / (current.size + 0.5 * used.sum())
    return float(np.sum((r - c) * np.log(r / c)))
