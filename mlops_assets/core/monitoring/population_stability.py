"""The population stability index of a column between two samples."""

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
        reference_codes, current_codes = _categories(reference, distinct), _categories(current, distinct)
        bins = distinct.size + 1
    else:
        quantiles = np.quantile(reference, np.arange(1, BINS) / BINS, method="inverted_cdf")
        reference_codes, current_codes = _intervals(reference, quantiles), _intervals(current, quantiles)
        bins = 2 * BINS
    return _divergence(reference_codes, current_codes, bins)


def _category_index(reference: Values, current: Values) -> float:
    distinct, counts = np.unique(np.concatenate([reference, current]), return_counts=True)
    allowed = 1 + int(CATEGORY_NOISE / (1 / reference.size + 1 / current.size))
    kept = min(max(allowed, BINS), MOST_CATEGORIES)
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
