"""Seeded bootstrap resamples as row weights, and percentile intervals.

The same weights are handed to every contender, so the differences between contenders are paired (Efron &
Tibshirani 1993, An Introduction to the Bootstrap, ch. 6 and 13).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK_BYTES = 64 * 2**20
"""Size of one block of weights; a block keeps a thousand resamples of many rows out of memory."""


@dataclass(frozen=True)
class Resamples:
    """Which resamples are drawn: `samples` of them, from `seed`, over rows or over whole groups of rows."""

    rows: int
    samples: int
    seed: int
    groups: npt.NDArray[np.int64] | None = None
    """Group of each row, from 0 without gaps; rows of one group are drawn together (cluster bootstrap,
    Davison & Hinkley 1997, §3.8). None draws rows."""

    @property
    def units(self) -> int:
        """How many are drawn from: the groups, or the rows where there are none."""
        return self.rows if self.groups is None else int(self.groups.max(initial=-1)) + 1

    def blocks(self) -> Iterator[Floats]:
        """Yield the weights, (rows, some samples) at a time: how often each row was drawn.

        The drawn weights depend on the seed alone, not on the size of the blocks.
        """
        for weights in self.unit_blocks():
            yield weights if self.groups is None else weights[self.groups]

    def unit_blocks(self) -> Iterator[Floats]:
        """Yield the weights of the groups, (groups, some samples) at a time; of the rows where there are none."""
        generator = np.random.default_rng(self.seed)
        units = self.units
        per_block = max(1, min(self.samples, _BLOCK_BYTES // (8 * max(self.rows, 1))))
        for start in range(0, self.samples, per_block):
            size = min(per_block, self.samples - start)
            counts = np.empty((size, units))
            for row in counts:
                row[:] = np.bincount(generator.integers(0, units, size=units), minlength=units)
            yield np.ascontiguousarray(counts.T)


@dataclass(frozen=True)
class Interval:
    """A percentile interval; None when it cannot be claimed. `degenerate`: resamples without a value."""

    low: float | None
    high: float | None
    degenerate: int


def percentile_interval(
    samples: Floats, *, value: float, confidence: float, is_folded: bool = False
) -> Interval:
    """Percentile interval at `confidence` from resampled values.

    Resamples in which the metric is undefined (NaN: a class is missing) are left out and counted; when they
    are more than 1 - confidence of all, no interval is claimed.

    `is_folded`: the metric is a sum of absolute values or a maximum of differences, so noise can only raise
    it: the sample's noise has raised `value`, and resampling adds noise to noise. The upper end is then moved
    back by the bootstrap's own estimate of that bias (mean of the resamples minus `value`, Efron & Tibshirani
    1993, ch. 10), and the lower end is the reflected one where that is lower (basic bootstrap interval,
    Davison & Hinkley 1997, §5.2). For a true value near zero the upper end stays too high rather than too
    low.
    """
    defined = samples[~np.isnan(samples)]
    degenerate = len(samples) - len(defined)
    if len(defined) == 0 or np.isnan(value) or degenerate > (1 - confidence) * len(samples):
        return Interval(low=None, high=None, degenerate=degenerate)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    if is_folded:
        bias = float(np.mean(defined)) - value
        low, high = min(low - bias, 2 * value - high), high - bias
    return Interval(low=float(low), high=float(high), degenerate=degenerate)
