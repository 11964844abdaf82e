"""How a day's columns go together: sums over pairs of normal scores, so that days add up to a window.

A value is replaced by the normal score of its rank within its day (van der Waerden 1952), Φ⁻¹(rank / (n + 1)), ties by
their middle rank. The correlation of such scores is that of a Gaussian copula: it says how two columns go together
whatever their own distributions are. Since the ranks are the day's own, a column that moves, in one day or between two,
changes nothing here, and no reference has to be known before a day is summed up.

The sums of a day are one flat array, three matrices of (columns, columns) one after the other: how many rows have both
values, the products of the two scores over those, the squares of the first one's. Arrays of days add up.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_ROWS = 50
"""With fewer rows that have both values, on either side, a pair is not compared."""
_MATRICES = 3


def pair_sums(values: Floats) -> Floats:
    """Sum up one day. values: (rows, columns); NaN and infinite values are missing, and their pairs are left out."""
    present = np.isfinite(values)
    scores = np.zeros(values.shape)
    for column in range(values.shape[1]):
        there = present[:, column]
        scores[there, column] = normal_scores(values[there, column])
    held = present.astype(np.float64)
    return np.concatenate([held.T @ held, scores.T @ scores, (scores**2).T @ held], axis=None)


def normal_scores(values: Floats) -> Floats:
    """Return the normal score of each value's rank among them; values: none is missing."""
    if not len(values):
        return values
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    # Middle ranks are whole or half, so that a table of both holds every score of a day of so many rows.
    return _scores_of(len(values))[(2 * ends - counts + 1)[place]]


def length_of_sums(columns: int) -> int:
    """Return how long the array of so many columns is."""
    return _MATRICES * columns**2


def rows_of(sums: Floats) -> Floats:
    """Return the rows of the column that has most. sums: (..., length)."""
    return np.diagonal(_matrices(sums)[0], axis1=-2, axis2=-1).max(axis=-1)


def correlations(sums: Floats) -> Floats:
    """Return the correlation of each pair; NaN where too few rows have both, or one of the two never varies.

    sums: (..., length). The result is (..., columns, columns).
    """
    rows, products, squares = _matrices(sums)
    scale = np.sqrt(squares * np.swapaxes(squares, -1, -2))
    is_known = (rows >= FEWEST_ROWS) & (scale > 0)
    return np.where(is_known, products / np.where(is_known, scale, 1.0), np.nan)


def changes(current: Floats, reference: Floats) -> Floats:
    """Return by how much each pair's correlation changed; 0 where a side does not know it, and on the diagonal.

    current: (..., length), of one or more windows. reference: (length,).
    """
    changed = np.nan_to_num(correlations(current) - correlations(reference), nan=0.0)
    here = np.arange(changed.shape[-1])
    changed[..., here, here] = 0.0
    return changed


def _matrices(sums: Floats) -> Floats:
    size = round((sums.shape[-1] / _MATRICES) ** 0.5)
    return np.moveaxis(sums.reshape(*sums.shape[:-1], _MATRICES, size, size), -3, 0)


@lru_cache(maxsize=64)
def _scores_of(rows: int) -> Floats:
    """Scores of the half ranks 0, 1/2, 1 and so on."""
    from scipy.special import ndtri

    ranks = np.arange(1, 2 * rows + 1) / 2
    return np.concatenate([[0.0], ndtri(ranks / (rows + 1))])
