"""How far windows of a history lie from each other: what a window that nothing happened in may show.

The history is cut into windows as long as the one that is judged. Each is compared with a block of others, as many as
the reference has, before it or after it: that is what monitoring does when nothing happened. The squared distance is a
sum of squares, approximately a scaled chi-square (Satterthwaite 1946, Biometrics Bulletin 2): its mean and its variance
over the history give scale and degrees of freedom. The scale is estimated from few windows, which do not differ
independently where entities stay: the ratio to it follows Fisher's F with the effective number of windows, n (1 - r) /
(1 + r) for an autocorrelation r of their main direction (Bayley & Hammersley 1946), r corrected for its bias in short
series (Kendall 1954, Biometrika 41). Where windows that lie further apart in time differ more, the scale grows with
the lag, as far as the history shows: that is how trends and slow entities are allowed for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_WINDOWS = 6
"""With fewer windows of history nothing is promised."""
_LARGEST_AUTOCORRELATION = 0.95


@dataclass(frozen=True)
class Variation:
    """What a history says about the distance of a window from a reference."""

    windows: int
    effective_windows: float
    """Independent windows that would tell as much."""
    squared: float
    """Expected squared distance of a neighbouring window."""
    squared_per_lag: float
    """What each further window of time adds to it; never negative."""
    degrees: float
    """Of freedom of the squared distance."""
    usual_rows: float
    """Rows of the median window; windows with fewer lie further off by chance."""

    def limit(self, *, lag: float, rows: int, chance: float) -> float:
        """Return the distance that a window in which nothing happened exceeds with probability `chance`.

        lag: windows of time between the reference's end and the window's start. rows: of the window.
        """
        ratio = _fisher_quantile(chance, self.degrees, self.degrees * self.effective_windows)
        return self.expected(lag) * float(np.sqrt(ratio * max(1.0, self.usual_rows / max(rows, 1))))

    def expected(self, lag: float) -> float:
        """Return the usual distance (root mean square) of a window that lies `lag` windows after the reference."""
        return float(np.sqrt(self.squared + self.squared_per_lag * max(lag, 0.0)))


def moved_share(current: Floats, reference: Floats) -> Floats:
    """Return the share of rows that would have to move to turn one histogram into the other (total variation).

    current: (..., bins) counts or shares. reference: (bins,) the same. Between 0 and 1; 0 where a side is empty.
    """
    ours = current / np.maximum(current.sum(axis=-1, keepdims=True), 1e-300)
    theirs = reference / np.maximum(reference.sum(axis=-1, keepdims=True), 1e-300)
    apart = 0.5 * np.abs(ours - theirs).sum(axis=-1)
    return np.where((current.sum(axis=-1) > 0) & (reference.sum(axis=-1) > 0), apart, 0.0)


def root_shares(counts: Floats) -> Floats:
    """Return the square roots of each window's shares, whose Euclidean distances are those of Hellinger (1909)."""
    return np.sqrt(counts / counts.sum(axis=1, keepdims=True))


def rows_of_bins(counts: Floats) -> Floats:
    """Return how many rows each window of counts has."""
    return counts.sum(axis=1)


@dataclass(frozen=True)
class Measure:
    """What is compared between windows, each an array of sums that add up to those of a longer window."""

    apart: Callable[[Floats, Floats], Floats] = moved_share
    """Distance of (..., sums) from a reference (sums,)."""
    points: Callable[[Floats], Floats] = root_shares
    """Where each window lies, (windows, coordinates), for how far windows follow each other."""
    rows: Callable[[Floats], Floats] = rows_of_bins
    """Rows of each window."""


HISTOGRAMS = Measure()


def variation(windows: Floats, *, reference_windows: int, measure: Measure = HISTOGRAMS) -> Variation | None:
    """Learn from a history how far a window lies from a reference when nothing happens; None of too short a one.

    windows: (windows, sums), counts of bins unless the measure says otherwise, oldest first; windows without rows are
    left out. reference_windows: how many windows the reference is made of; of a short history at most half of it.
    """
    sums = np.asarray(windows, dtype=np.float64)
    rows = measure.rows(sums)
    sums, rows = sums[rows > 0], rows[rows > 0]
    number = len(sums)
    if number < FEWEST_WINDOWS:
        return None
    squares, lags = compared(sums, block=min(reference_windows, number // 2), apart=measure.apart)
    squares = squares**2
    slope = _slope(lags, squares)
    level = max(squares.mean() - slope * lags.mean(), 0.1 * squares.mean())
    fitted = level + slope * lags
    if squares.mean() == 0.0:
        return Variation(number, float(number), 0.0, 0.0, 1.0, float(np.median(rows)))
    spread = float(np.var(squares / fitted))
    points = measure.points(sums)
    return Variation(
        windows=number,
        effective_windows=_effective(points),
        squared=float(level),
        squared_per_lag=float(slope),
        degrees=float(np.clip(2.0 / max(spread, 1e-9), 1.0, max(points.shape[1] - 1, 1))),
        usual_rows=float(np.median(rows)),
    )


@lru_cache(maxsize=4096)
def _fisher_quantile(chance: float, degrees: float, of_scale: float) -> float:
    """Return what Fisher's F exceeds with probability `chance`; windows of one history ask for the same again."""
    from scipy.stats import f as fisher

    return float(fisher.isf(chance, degrees, of_scale))


def compared(sums: Floats, *, block: int, apart: Callable[[Floats, Floats], Floats]) -> tuple[Floats, Floats]:
    """Compare each window with each block of so many others that leaves it out, as monitoring does.

    sums: (windows, sums), oldest first. Return what `apart` says of each pair, and its lag in windows.
    """
    total = np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)])
    distances, lags = [], []
    for first in range(len(sums) - block + 1):
        end = first + block
        others = np.r_[0:first, end : len(sums)]
        distances.append(apart(sums[others], total[end] - total[first]))
        lags.append(np.where(others < first, first - others, others - end + 1))
    return np.concatenate(distances), np.concatenate(lags).astype(np.float64)


def _slope(lags: Floats, squares: Floats) -> float:
    centred = lags - lags.mean()
    spread = float((centred**2).sum())
    return max(0.0, float((centred * squares).sum()) / spread) if spread > 0 else 0.0


def _effective(points: Floats) -> float:
    """Effective number of windows, by the first principal component of where they lie."""
    number = len(points)
    left, _, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    main = left[:, 0]
    found = float((main[1:] * main[:-1]).sum() / max((main**2).sum(), 1e-300))
    correlation = min(_LARGEST_AUTOCORRELATION, max(0.0, found + (1.0 + 3.0 * found) / number))
    return max(2.0, number * (1.0 - correlation) / (1.0 + correlation))
