"""The ratio of two versions' harm on rows that both scored: over all rows, and counted as the canary's test counts."""

from dataclasses import dataclass

import numpy as np

from mlops_assets.core.canary.risk_set import Floats, Integers, follow_entities

MINIMUM_EVENTS = 10
"""Entities that did harm in a stratum, under each version; fewer are no evidence of its ratio."""
_QUANTILE = 2.326
"""99 % one-sided: how far an estimate's own uncertainty widens what is allowed."""
_PSEUDO = np.array([1.0, 0.0]), np.array([0.5, 0.5])
"""Harm and weight of what is added to each version's rows, so that no ratio is without end."""
_LARGEST_LOG_RATIO = 20.0


@dataclass(frozen=True)
class LogRatio:
    """Logarithm of the ratio of harm, challenger's over champion's: of its odds where it is 0 or 1, else the tilt."""

    value: float
    influence: Floats
    """Of each entity on the value, and last of what was added."""

    def minus(self, other: "LogRatio") -> "LogRatio":
        """Return the logarithm of the quotient of two ratios of the same entities."""
        return LogRatio(self.value - other.value, self.influence - other.influence)

    @property
    def spread(self) -> float:
        """Standard error, clustered by entity (Liang & Zeger 1986)."""
        return float(np.sqrt(np.sum(self.influence**2)))

    @property
    def bounds(self) -> tuple[float, float, float]:
        """The ratio's lower end, itself, and its upper end, with 99 % certainty each."""
        margin = _QUANTILE * self.spread
        low, ratio, high = np.exp([self.value - margin, self.value, self.value + margin])
        return float(low), float(ratio), float(high)


@dataclass(frozen=True)
class _Rows:
    """Harm of one version on rows that are compared."""

    harm: Floats
    entity: Integers


def ratio_per_row(challenger: Floats, champion: Floats, entity: Integers) -> LogRatio:
    """Compare the harm of two versions on the same rows; `entity` are codes from 0."""
    return _log_ratio(_Rows(challenger, entity), _Rows(champion, entity), _count(entity))


def ratios_by_stratum(challenger: Floats, champion: Floats, entity: Integers) -> tuple[LogRatio, ...]:
    """Compare first harms, stratum by stratum, each entity being at risk until its first harm under that version.

    Rows are in the order of their time. The result ends before the first stratum with less than MINIMUM_EVENTS; that of
    first requests is always there.
    """
    step = np.zeros(len(entity), dtype=np.int64)
    followed = [follow_entities(harm, entity, step) for harm in (challenger, champion)]
    stratum = followed[0].stratum
    found: list[LogRatio] = []
    for number in range(int(stratum.max(initial=-1)) + 1):
        is_in = [(stratum == number) & one.is_at_risk for one in followed]
        rows = [_Rows(one.harm[chosen], entity[chosen]) for one, chosen in zip(followed, is_in, strict=True)]
        if number and min(np.count_nonzero(one.harm) for one in rows) < MINIMUM_EVENTS:
            break
        found.append(_log_ratio(rows[0], rows[1], _count(entity)))
    return tuple(found)


def _count(entity: Integers) -> int:
    return int(entity.max(initial=-1)) + 1


def _log_ratio(challenger: _Rows, champion: _Rows, entities: int) -> LogRatio:
    """Find the tilt that gives the champion's harm the challenger's mean, and the influence of each entity on it."""
    one, one_weight = _with_pseudo(challenger.harm)
    other, other_weight = _with_pseudo(champion.harm)
    mean = np.average(one, weights=one_weight)
    value = _tilt(other, other_weight, mean)
    tilted = other_weight * np.exp(value * other)
    tilted *= other_weight.sum() / tilted.sum()
    variance = np.average((other - mean) ** 2, weights=tilted)
    influence = np.zeros(entities + 2 * len(_PSEUDO[0]))
    for harm, weight, rows, sign, added in (
        (one, one_weight, challenger, 1.0, entities),
        (other, tilted, champion, -1.0, entities + len(_PSEUDO[0])),
    ):
        whose = np.r_[rows.entity, added + np.arange(len(_PSEUDO[0]))]
        each = sign * weight * (harm - mean) / (weight.sum() * variance)
        influence += np.bincount(whose, weights=each, minlength=len(influence))
    return LogRatio(value, influence)


def _with_pseudo(harm: Floats) -> tuple[Floats, Floats]:
    return np.r_[harm, _PSEUDO[0]], np.r_[np.ones(len(harm)), _PSEUDO[1]]


def _tilt(harm: Floats, weight: Floats, mean: float) -> float:
    """Return t with which the mean of harm, weighted by exp(t * harm), is `mean`; bisection, since it grows with t."""
    values, place = np.unique(harm, return_inverse=True)
    weights = np.bincount(place, weights=weight)
    low, high = -_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO
    for _ in range(60):
        middle = (low + high) / 2
        if np.average(values, weights=weights * np.exp(middle * values)) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2
