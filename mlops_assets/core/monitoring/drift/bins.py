"""The histograms in which a column of a window is compared with its reference."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops_assets.core.monitoring.profile import ColumnProfile

Floats = npt.NDArray[np.float64]

BINS = 20
"""Quantiles of the reference; a value that holds more than one of them has a bin of its own."""
MOST_CATEGORIES = 50
"""The most frequent categories of the reference have a bin each, the others share one."""
REST_BINS = 10
MOSTLY = 0.5
"""Share of the reference above which a column counts as mostly one value, and the others are judged by themselves too:
among 8 % of the rows a move from 100 to 10,000 has no weight in a histogram of all.
"""


@dataclass(frozen=True)
class ColumnBins:
    """How a column's values are put into bins; made from the reference alone."""

    categories: Floats | None
    """Codes with a bin each, ascending; None for numbers."""
    edges: Floats
    """Upper ends of the bins of numbers, each with its bin."""
    heavy: Floats
    """Edges that are a bin of their own."""

    @property
    def number(self) -> int:
        """How many bins there are."""
        if self.categories is not None:
            return len(self.categories) + 1
        return len(self.edges) + len(self.heavy) + 1

    def counts(self, profile: ColumnProfile) -> Floats:
        """Return the rows of each bin, (bins,)."""
        if self.categories is not None:
            place = np.minimum(np.searchsorted(self.categories, profile.values), len(self.categories) - 1)
            bins = np.where(self.categories[place] == profile.values, place, len(self.categories))
        else:
            bins = np.searchsorted(self.edges, profile.values, side="left")
            bins = bins + np.searchsorted(self.heavy, profile.values, side="right")
        return np.bincount(bins, weights=profile.counts, minlength=self.number).astype(np.float64)


def bins_of(reference: ColumnProfile, *, is_category: bool, most: int = BINS) -> ColumnBins:
    """Choose the bins by a reference that has values: its most frequent categories, or at most `most` quantiles."""
    if is_category:
        frequent = np.argsort(-reference.counts, kind="stable")[:MOST_CATEGORIES]
        return ColumnBins(np.sort(reference.values[frequent]), np.empty(0), np.empty(0))
    below = np.cumsum(reference.counts) / reference.present
    quantiles = reference.values[np.searchsorted(below, np.arange(1, most) / most - 1e-12)]
    edges, repeats = np.unique(quantiles, return_counts=True)
    return ColumnBins(None, edges, edges[repeats > 1])


def main_value(reference: ColumnProfile) -> float | None:
    """Return the value that holds more than half of the reference's values; None without one."""
    if not reference.present:
        return None
    largest = int(np.argmax(reference.counts))
    is_most = reference.counts[largest] > MOSTLY * reference.present
    return float(reference.values[largest]) if is_most else None


def without(profile: ColumnProfile, value: float) -> ColumnProfile:
    """Return the profile of the rows that have another value; missing rows are left out."""
    kept = profile.values != value
    counts = profile.counts[kept]
    return ColumnProfile(int(counts.sum()), 0, profile.values[kept], counts)
