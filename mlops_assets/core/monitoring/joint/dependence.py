"""How a day's columns go together: sums over pairs of normal scores, so that days add up to a window.

A value is replaced by the normal score of its rank within its day (van der Waerden 1952), Φ⁻¹(rank / (n + 1)), ties by
their middle rank. The correlation of such scores is that of a Gaussian copula: it says how two columns go together
whatever their own distributions are. Since the ranks are the day's own, a column that moves, in one day or between two,
changes nothing here, and no reference has to be known before a day is summed up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_ROWS = 50
"""With fewer rows that have both values, on either side, a pair is not compared."""
_PARTS = 3


@dataclass(frozen=True)
class Dependence:
    """Sums over rows that have both values of a pair of columns; each is (columns, columns)."""

    rows: Floats
    """How many rows have both."""
    products: Floats
    """Of the two scores."""
    squares: Floats
    """Of the first column's scores."""

    def packed(self) -> Floats:
        """Return all sums in one flat array, which adds up as they do."""
        return np.concatenate([self.rows, self.products, self.squares], axis=None)


def depend(values: Floats) -> Dependence:
    """Sum up one day. values: (rows, columns); NaN and infinite values are missing, and their pairs are left out."""
    present = np.isfinite(values)
    scores = np.zeros(values.shape)
    for column in range(values.shape[1]):
        there = present[:, column]
        scores[there, column] = _normal_scores(values[there, column])
    held = present.astype(np.float64)
    return Dependence(held.T @ held, scores.T @ scores, (scores**2).T @ held)


def add_up(days: Sequence[Dependence], *, columns: int) -> Dependence:
    """Return the sums of all days together; zeros of nothing."""
    nothing = np.zeros((columns, columns))
    return Dependence(
        sum((day.rows for day in days), nothing),
        sum((day.products for day in days), nothing),
        sum((day.squares for day in days), nothing),
    )


def correlations(packed: Floats) -> Floats:
    """Return the correlation of each pair; NaN where too few rows have both, or one of the two never varies.

    packed: (..., sums) as `Dependence.packed` has them. The result is (..., columns, columns).
    """
    size = round((packed.shape[-1] / _PARTS) ** 0.5)
    rows, products, squares = np.moveaxis(packed.reshape(*packed.shape[:-1], _PARTS, size, size), -3, 0)
    scale = np.sqrt(squares * np.swapaxes(squares, -1, -2))
    is_known = (rows >= FEWEST_ROWS) & (scale > 0)
    return np.where(is_known, products / np.where(is_known, scale, 1.0), np.nan)


def differences(current: Floats, reference: Floats) -> Floats:
    """Return by how much each pair's correlation changed; 0 where a side does not know it, and on the diagonal.

    current: (..., sums) of one or more windows. reference: (sums,).
    """
    changed = np.nan_to_num(correlations(current) - correlations(reference), nan=0.0)
    here = np.arange(changed.shape[-1])
    changed[..., here, here] = 0.0
    return changed


def _normal_scores(values: Floats) -> Floats:
    if not len(values):
        return values
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    # Middle ranks are whole or half, so that a table of both holds every score of a day of so many rows.
    return _scores_of(len(values))[(2 * ends - counts + 1)[place]]


@lru_cache(maxsize=64)
def _scores_of(rows: int) -> Floats:
    """Scores of the half ranks 0, 1/2, 1 and so on."""
    from scipy.special import ndtri

    ranks = np.arange(1, 2 * rows + 1) / 2
    return np.concatenate([[0.0], ndtri(ranks / (rows + 1))])
