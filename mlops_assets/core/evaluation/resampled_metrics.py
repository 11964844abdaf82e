"""Values and resampled values of metrics for (contender, rows) pairs; every pair is computed once, all on the
same resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.metrics import Floats, Groups


class WeightedMetrics(Protocol):
    """Metrics of fixed scores under weightings of their rows."""

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """From weights (rows, samples) to one value per sample, by metric name."""
        ...

    def of_groups(self, groups: Groups) -> "WeightedMetrics":
        """Return the same metrics under weightings of whole groups of rows: (groups, samples)."""
        ...


@dataclass(frozen=True)
class Estimate:
    """A metric's value on the rows as they are, and in every resample; NaN where it is undefined."""

    value: float
    samples: Floats


@dataclass(frozen=True)
class Population:
    """One contender on some of the test rows."""

    rows: npt.NDArray[np.int64]
    metrics: tuple[WeightedMetrics, ...]


Key = tuple[str, str]
"""Contender and name of the row set."""


def resample_metrics(
    populations: Mapping[Key, Population], resamples: Resamples
) -> dict[Key, dict[str, Estimate]]:
    """Compute every population's metrics on its rows and on its part of every resample of all rows.

    A resample is drawn from all test rows, and a population sees the weights of its own: sizes of slices vary
    between resamples, as they would between test sets.
    """
    from threadpoolctl import threadpool_limits

    # One thread: the products are thin, so a second gains nothing, and a sum's order is always the same.
    with threadpool_limits(limits=1, user_api="blas"):
        return _resample(populations, resamples)


def _resample(populations: Mapping[Key, Population], resamples: Resamples) -> dict[Key, dict[str, Estimate]]:
    values = {key: _compute(p, np.ones((len(p.rows), 1))) for key, p in populations.items()}
    parts: dict[Key, list[dict[str, Floats]]] = {key: [] for key in populations}
    drawn = {key: _drawn_in_groups(population, resamples) for key, population in populations.items()}
    for weights in resamples.unit_blocks():
        for key, population in drawn.items():
            is_all = len(population.rows) == resamples.units
            parts[key].append(_compute(population, weights if is_all else weights[population.rows]))
    return {
        key: {
            name: Estimate(value=float(value[0]), samples=np.concatenate([part[name] for part in parts[key]]))
            for name, value in values[key].items()
        }
        for key in populations
    }


def _drawn_in_groups(population: Population, resamples: Resamples) -> Population:
    """Sum up what the rows of a group have, once: then a resample costs its groups and not its rows."""
    if resamples.groups is None:
        return population
    groups = Groups(resamples.groups[population.rows], groups=resamples.units)
    return Population(
        np.arange(resamples.units), tuple(metrics.of_groups(groups) for metrics in population.metrics)
    )


def _compute(population: Population, weights: Floats) -> dict[str, Floats]:
    return {name: v for metrics in population.metrics for name, v in metrics(weights).items()}
