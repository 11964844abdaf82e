"""Labels drawn from their probabilities, alike within a group of rows as the reference's labels are alike."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mlops_assets.core.evaluation.metrics import Booleans, Floats
from mlops_assets.core.monitoring.estimated.scored_rows import Integers

Singles = npt.NDArray[np.float32]

_TERMS = 12
_LARGEST_ODDS, _PER_UNIT = 36, 256
_CORRELATIONS = np.arange(0.0, 0.91, 0.01)


def within_group_correlation(probability: Floats, labels: Floats, groups: Integers) -> float:
    """Return the latent correlation of the labels of a group given their probabilities, 0 to 0.9 in steps of 0.01.

    The model is a Gaussian copula with one factor per group: y = 1 where sqrt(r)·u + sqrt(1 - r)·e lies below a, with
    a = the normal quantile of the probability. The covariance of two labels is then the tetrachoric series
    Σ rᵏ/k! · h(a)·h(b), h(a) = φ(a)·He₍ₖ₋₁₎(a) (Kendall 1941, Biometrika 32). r is where its sum over all pairs of a
    group reaches what the residuals of the pairs add up to. What the score itself gets wrong counts as correlation,
    which widens intervals.
    """
    from scipy.special import factorial, ndtri

    if int(groups.max(initial=-1)) + 1 == len(groups):
        return 0.0  # no group has a pair
    quantile = ndtri(np.clip(probability, 1e-9, 1 - 1e-9))
    density = np.exp(-(quantile**2) / 2) / np.sqrt(2 * np.pi)
    excess = _pair_sum(labels - probability, groups)
    covariance = np.zeros(len(_CORRELATIONS))
    previous, hermite = np.zeros(len(quantile)), np.ones(len(quantile))
    for term in range(1, _TERMS + 1):
        covariance += _CORRELATIONS**term / factorial(term) * _pair_sum(density * hermite, groups)
        previous, hermite = hermite, quantile * hermite - (term - 1) * previous
    reached = np.flatnonzero(covariance >= excess)
    return float(_CORRELATIONS[reached[0]] if len(reached) else _CORRELATIONS[-1])


def draw_labels(
    odds: Singles, groups: Integers, *, correlation: float, generator: np.random.Generator
) -> Booleans:
    """Draw labels, (rows, samples), of log-odds of that shape; those of a group are alike by `correlation`.

    Single precision moves a probability by less than 1 in 100,000 of it, which no metric shows.
    """
    noise = generator.standard_normal(odds.shape, dtype=np.float32)
    if correlation > 0:
        shared = generator.standard_normal((int(groups.max(initial=-1)) + 1, odds.shape[1]), dtype=np.float32)
        shared *= np.float32(np.sqrt(correlation))
        noise *= np.float32(np.sqrt(1 - correlation))
        noise += shared[groups]
    return noise < _quantiles(odds)


def _quantiles(odds: Singles) -> Singles:
    """Return the normal quantiles of probabilities with these log-odds, between the entries of a table."""
    table, steps = _table()
    place = np.clip(odds, -_LARGEST_ODDS, np.float32(_LARGEST_ODDS - 1 / _PER_UNIT))
    place += np.float32(_LARGEST_ODDS)
    place *= np.float32(_PER_UNIT)
    entry = place.astype(np.int32)
    place -= entry
    place *= steps[entry]
    place += table[entry]
    return place


@lru_cache(maxsize=1)
def _table() -> tuple[Singles, Singles]:
    """Quantiles at every 256th of a unit of log-odds, and the steps to the next ones."""
    from scipy.special import expit, ndtri

    odds = np.arange(-_LARGEST_ODDS * _PER_UNIT, _LARGEST_ODDS * _PER_UNIT + 1) / _PER_UNIT
    quantiles = -np.sign(odds) * ndtri(expit(-np.abs(odds)))
    return quantiles[:-1].astype(np.float32), np.diff(quantiles).astype(np.float32)


def _pair_sum(values: Floats, groups: Integers) -> float:
    """Σ over groups of the products of all pairs."""
    return float((np.bincount(groups, weights=values) ** 2).sum() - (values**2).sum()) / 2
