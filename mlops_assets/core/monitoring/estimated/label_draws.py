"""Labels drawn from their probabilities, alike within a group of rows as the reference's labels are alike."""

import numpy as np

from mlops_assets.core.evaluation.metrics import Booleans, Floats
from mlops_assets.core.monitoring.estimated.scored_rows import Integers

_TERMS = 12
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
    probability: Floats, groups: Integers, *, correlation: float, generator: np.random.Generator
) -> Booleans:
    """Draw labels of each probability, shape (rows, samples) as given; those of a group are alike by `correlation`."""
    from scipy.special import ndtr

    if correlation == 0:
        return generator.random(probability.shape) < probability
    shared = generator.standard_normal((int(groups.max(initial=-1)) + 1, probability.shape[1]))
    own = generator.standard_normal(probability.shape)
    return ndtr(np.sqrt(correlation) * shared[groups] + np.sqrt(1 - correlation) * own) < probability


def _pair_sum(values: Floats, groups: Integers) -> float:
    """Σ over groups of the products of all pairs."""
    return float((np.bincount(groups, weights=values) ** 2).sum() - (values**2).sum()) / 2
