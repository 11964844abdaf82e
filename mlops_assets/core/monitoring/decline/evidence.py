"""Evidence that quality lies below the champion's test value, added up over blocks and valid at every look.

For each block t with value x and variance v, and each assumed decline d, the likelihood ratio of a mean d below the
limit against the limit c is exp(d·(c - x)/v - d²/2v), for a value that is normal. Its product from block k on is a
supermartingale for every k while the mean stays at or above c. The sum over all starts k, R ← (1 + R)·ratio (Shiryaev
1963; Roberts 1966), then grows by at most 1 per block on average: where nothing declines, R takes b blocks or more, in
the mean, to reach a threshold of b (Pollak 1985; as e-detectors: Shin, Ramdas & Rinaldo 2024, NEJSDS 2(2), arXiv
2203.03532). The mean over the assumed declines keeps that.

c is the worse end of the champion's own test interval, so that its test value's uncertainty is inside. A variance is
that of the blocks so far, by the rarer class's rows, times how much more neighbouring blocks differ than their
variances say (von Neumann 1941, successive differences, which a slow decline leaves small).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from mlops_assets.core.evaluation.metrics import METRICS, Floats
from mlops_assets.core.monitoring.decline.quality_blocks import QualityBlock
from mlops_assets.core.monitoring.promise import DECLINE_SHARE

PROMISE = 1.0
"""False alarms of a product and quarter that are promised where nothing else is said."""
NOTICED = 0.5
"""Part of the allowed drop from which on a decline that is sure is worth a word."""
_DECLINES = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
"""Assumed declines below the limit, in allowed drops; equal weights."""
_QUARTER_DAYS = 365.25 / 4
_PRIOR_PAIRS = 1
"""How many pairs of neighbouring blocks that differ as their variances say are taken to have been seen already."""
_LEAST_BLOCKS = 8
"""Fewer do not show how much neighbouring blocks differ; a window of its own may prove a decline before."""


@dataclass(frozen=True)
class Evidence:
    """What all blocks together say about a decline."""

    evidence: float
    """R, see above."""
    threshold: float
    """From which on a decline is sure: reached by chance as rarely as promised."""
    since: date | None
    """First day of the blocks that tell most of a decline; None where none does."""
    value: float | None
    """Weighted mean of the metric since then."""
    decline: float | None
    """The champion's test value less `value`, as it gets worse."""
    blocks: int
    is_found: bool
    """Whether a decline is sure, and at least half of the allowed drop."""


def decline_evidence(
    blocks: Sequence[QualityBlock],
    *,
    metric: str,
    test_value: float,
    worse_end: float | None,
    allowed_drop: float,
    false_alarms_per_quarter: float = PROMISE,
) -> Evidence:
    """Add up the evidence of disjoint blocks, oldest first, that the metric lies below the champion's test value.

    metric: of the blocks. test_value: the champion's. worse_end: of its interval; None gives no evidence. allowed_drop:
    `performance_drop`. false_alarms_per_quarter: what is promised for the product.
    """
    sign = METRICS[metric].direction
    if not blocks or worse_end is None:
        return Evidence(0.0, float("inf"), None, None, None, len(blocks), is_found=False)
    values = np.array([block.value for block in blocks])
    variances = _variances(blocks, values)
    below = sign * (worse_end - values)
    evidence = _shiryaev_roberts(below, variances, allowed_drop * _DECLINES)
    start = _likeliest_start(below, variances)
    threshold = _threshold(blocks, false_alarms_per_quarter)
    if start is None:
        return Evidence(evidence, threshold, None, None, None, len(blocks), is_found=False)
    value = float(np.average(values[start:], weights=1 / variances[start:]))
    decline = sign * (test_value - value)
    is_found = len(blocks) >= _LEAST_BLOCKS and evidence >= threshold and decline >= NOTICED * allowed_drop
    return Evidence(evidence, threshold, blocks[start].first_day, value, decline, len(blocks), is_found)


def _shiryaev_roberts(below: Floats, variances: Floats, declines: Floats) -> float:
    log_evidence = np.full(len(declines), -np.inf)
    for distance, variance in zip(below, variances, strict=True):
        log_ratio = (declines * distance - declines**2 / 2) / variance
        log_evidence = np.logaddexp(0, log_evidence) + log_ratio
    return float(np.exp(np.minimum(log_evidence, 700)).mean())


def _variances(blocks: Sequence[QualityBlock], values: Floats) -> Floats:
    """Variance of each block's value: its rows' from the blocks up to it, its spread from all neighbours."""
    own = np.array([block.variance for block in blocks])
    rarer = np.array([block.rarer for block in blocks], dtype=np.float64)
    pooled = np.cumsum(own * rarer) / np.arange(1, len(blocks) + 1) / rarer
    differences = np.diff(values) ** 2 / (pooled[1:] + pooled[:-1])
    spread = (differences.sum() + _PRIOR_PAIRS) / (len(differences) + _PRIOR_PAIRS)
    return pooled * max(1.0, spread)


def _likeliest_start(below: Floats, variances: Floats) -> int | None:
    """Block from which on a mean below the limit explains most (the maximum of the generalized likelihood ratio)."""
    sums = np.cumsum((below / variances)[::-1])[::-1]
    information = np.cumsum((1 / variances)[::-1])[::-1]
    gain = np.where(sums > 0, sums**2 / information, 0.0)
    return int(np.argmax(gain)) if gain.max() > 0 else None


def _threshold(blocks: Sequence[QualityBlock], false_alarms_per_quarter: float) -> float:
    days = (blocks[-1].last_day - blocks[0].first_day).days + 1
    blocks_per_quarter = _QUARTER_DAYS * len(blocks) / days
    return max(blocks_per_quarter, 1.0) / (DECLINE_SHARE * false_alarms_per_quarter)
