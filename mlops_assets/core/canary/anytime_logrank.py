"""An always-valid test of whether one arm does harm more often than another, however often it is looked at.

The anytime-valid logrank test (ter Schure, Pérez-Ortiz, Ly & Grünwald 2024, NEJSDS 2(2), 190-214, doi
10.51387/24-NEJSDS65, arXiv 2011.06931), with ties, for requests instead of patients:

- Requests are cut, in their order, into blocks of a size fixed in advance. Which requests of a block the challenger
  answered says nothing about their harm if the arms are alike: given the block's harms and the size of its arms, every
  assignment is equally likely (Fisher 1935; Cox 1972 for tilted assignments). Whatever both arms share cancels: traffic
  that drifts, an outage, rates that change from one block to the next, arms of unequal or changing size.
- With `ratio` r, an assignment's probability is proportional to r to the power of the challenger's sum of harm. For
  harm of 0 or 1 this is Fisher's noncentral hypergeometric law, and r the odds ratio of harm. For harm in between it
  is the density ratio model (Qin 1998, Biometrika 85): harm h is r to the power h times as frequent in the
  challenger.
- The product over blocks of the likelihood ratio against r0, averaged over fixed alternatives, is a test martingale
  when r = r0. By Ville's inequality (1939) it ever reaches 1 / alpha with probability at most alpha.
- An entity's requests are not independent, and an entity keeps its arm. It therefore leaves the comparison after a harm
  of 1, as a patient leaves the risk set, a lesser harm counts only where it is the entity's greatest so far, and each
  entity counts once per block: what is compared is the chance of a first harm given a history without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import MonitoringError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Direction = Literal["more", "fewer"]

ALTERNATIVES = (1.5, 2.5, 5.0, 12.0, 40.0)
"""By how much the ratio lies beyond the margin if there is harm; equal weights. Too few cost power in between, each
costs log(5) of evidence at most.
"""
INTERVAL_RATIOS = np.exp(np.linspace(-np.log(200), np.log(200), 61))
"""Ratios that a confidence sequence is made of; its ends are as coarse as their steps, 19 %."""
_INTERVAL_SPREAD = 1.5
"""Standard deviation of the log ratio in the prior of a confidence sequence, around 0: ratios within 20 for 95 %."""
_SMALLEST_BLOCK, _LARGEST_BLOCK = 20, 200
_BLOCKS_AT_ONCE = 512
_WIDTHS = (20, 32, 64, 128)


@dataclass(frozen=True)
class Requests:
    """Comparable requests in the order in which they are looked at, one entry each."""

    harm: Floats
    """0 (none) to 1 (the worst)."""
    is_challenger: Booleans
    entity: Integers
    """Code of the entity, from 0."""
    block_size: Integers
    """Of the request's step, see `block_size`; another size begins another block."""
    step: Integers
    """Number of the release plan; blocks never span two."""


@dataclass(frozen=True)
class Blocks:
    """The blocks that tell the arms apart: harm in some of the requests, and requests in both arms."""

    harm: Floats
    """(blocks, requests), zero beyond a block's own requests."""
    is_there: Booleans
    is_challenger: Booleans
    closed_at: Integers
    """Position, among the requests, of each block's last one."""

    def __len__(self) -> int:
        return len(self.closed_at)


def block_size(challenger_percent: int) -> int:
    """Return how many requests make a block: enough for about two of the smaller arm, 20 to 200.

    A block of n requests keeps (n - 1) / n of the information, and a block that is not full waits.
    """
    smaller = max(min(challenger_percent, 100 - challenger_percent), 1)
    return int(np.clip(np.ceil(200 / smaller), _SMALLEST_BLOCK, _LARGEST_BLOCK))


def make_blocks(requests: Requests) -> Blocks:
    """Cut requests into blocks; an entity counts once per block, and each of its harms once.

    Adding later requests changes no block that was full before.

    Raises: MonitoringError for harm outside 0 to 1.
    """
    if len(requests.harm) and not (requests.harm.min() >= 0 and requests.harm.max() <= 1):
        raise MonitoringError("harm must lie between 0 and 1")
    is_at_risk, harm = _counted(requests)
    chosen = np.flatnonzero(is_at_risk)
    block, is_full = _cut(requests.step[chosen], requests.block_size[chosen])
    last = _last_positions(block, chosen)
    entity_in_block = block * (requests.entity.max(initial=0) + 1) + requests.entity[chosen]
    first = np.sort(np.unique(entity_in_block, return_index=True)[1])
    first = first[is_full[first]]
    block, chosen = block[first], chosen[first]
    telling = _telling(block, harm[chosen], requests.is_challenger[chosen])
    kept = telling[block]
    return _pad(block[kept], chosen[kept], replace(requests, harm=harm), last)


def log_e_process(blocks: Blocks, *, null_ratio: float, direction: Direction) -> Floats:
    """Return the logarithm of the evidence after each block that the ratio lies beyond `null_ratio`.

    `more`: above it, `fewer`: below it. While it does not, the evidence ever reaches 1 / alpha with probability at most
    alpha.
    """
    steps = np.array(ALTERNATIVES)
    alternatives = null_ratio * steps if direction == "more" else null_ratio / steps
    evidence = _log_likelihood(blocks, np.array([null_ratio, *alternatives]))
    return _log_mean_exp(evidence[:, 1:] - evidence[:, :1], np.full(len(steps), 1 / len(steps)))


def confidence_sequence(blocks: Blocks, *, alpha: float) -> tuple[float, float]:
    """Return the ratios that no look so far has excluded; 0 and infinity are ends that the data leave open.

    At all looks together, the true ratio is excluded with probability at most `alpha`. Where no ratio is left, since it
    has changed on the way, those are returned that the last look alone does not exclude.
    """
    if not len(blocks):
        return 0.0, float("inf")
    log_ratios = np.log(INTERVAL_RATIOS)
    prior = np.exp(-0.5 * (log_ratios / _INTERVAL_SPREAD) ** 2)
    likelihood = _log_likelihood(blocks, INTERVAL_RATIOS)
    evidence = _log_mean_exp(likelihood, prior / prior.sum())[:, np.newaxis] - likelihood
    kept = np.flatnonzero(evidence.max(axis=0) < np.log(1 / alpha))
    if not len(kept):
        kept = np.flatnonzero(evidence[-1] < np.log(1 / alpha))
    low = INTERVAL_RATIOS[kept[0] - 1] if kept[0] > 0 else 0.0
    high = INTERVAL_RATIOS[kept[-1] + 1] if kept[-1] + 1 < len(log_ratios) else np.inf
    return float(low), float(high)


def _counted(requests: Requests) -> tuple[Booleans, Floats]:
    """Whether each request is compared, and with which harm: an entity counts again only with a greater harm."""
    history = pl.DataFrame({"entity": requests.entity, "harm": requests.harm}).select(
        worst=pl.col("harm").cum_max().shift(1).over("entity").fill_null(0.0)
    )
    worst = history["worst"].to_numpy()
    return worst < 1, np.where(requests.harm > worst, requests.harm, 0.0)


def _cut(step: Integers, size: Integers) -> tuple[Integers, Booleans]:
    """Number each request's block, and say whether that block is full."""
    begins = np.flatnonzero(np.r_[True, step[1:] != step[:-1]][: len(step)])
    lengths = np.diff(np.r_[begins, len(step)])
    within = np.arange(len(step)) - np.repeat(begins, lengths)
    starts = within % size == 0
    block = np.cumsum(starts) - 1
    counts = np.bincount(block, minlength=1)
    return block, counts[block] == size


def _last_positions(block: Integers, chosen: Integers) -> Integers:
    last = np.zeros(int(block.max(initial=-1)) + 1, dtype=np.int64)
    last[block] = chosen
    return last


def _telling(block: Integers, harm: Floats, is_challenger: Booleans) -> Booleans:
    """Whether a block has both arms and not the same harm throughout."""
    blocks = int(block.max(initial=-1)) + 1
    size = np.bincount(block, minlength=blocks)
    challengers = np.bincount(block[is_challenger], minlength=blocks)
    lowest, highest = np.ones(blocks), np.zeros(blocks)
    np.minimum.at(lowest, block, harm)
    np.maximum.at(highest, block, harm)
    return (challengers > 0) & (challengers < size) & (highest > lowest)


def _pad(block: Integers, chosen: Integers, requests: Requests, last: Integers) -> Blocks:
    numbers, row, size = np.unique(block, return_inverse=True, return_counts=True)
    column = np.arange(len(block)) - np.repeat(np.cumsum(size) - size, size)
    shape = (len(numbers), int(size.max(initial=0)))
    harm, is_there, is_challenger = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    harm[row, column] = requests.harm[chosen]
    is_there[row, column] = True
    is_challenger[row, column] = requests.is_challenger[chosen]
    return Blocks(harm, is_there, is_challenger, last[numbers])


def _log_likelihood(blocks: Blocks, ratios: Floats) -> Floats:
    """Running sum over blocks of the log probability of the assignment seen, (blocks, ratios)."""
    found = np.zeros((len(blocks), len(ratios)))
    for rows, width in _parts(blocks):
        part = Blocks(
            blocks.harm[rows, :width],
            blocks.is_there[rows, :width],
            blocks.is_challenger[rows, :width],
            blocks.closed_at[rows],
        )
        found[rows] = _log_probability(part, np.log(ratios))
    return np.cumsum(found, axis=0)


def _parts(blocks: Blocks) -> Iterator[tuple[Integers, int]]:
    """Rows of blocks of similar width, so that small blocks do not cost what large ones do, and their largest width."""
    widths = blocks.is_there.sum(axis=1)
    order = np.argsort(widths, kind="stable")
    edges = np.searchsorted(widths[order], _WIDTHS, side="right")
    for part in np.split(order, edges):
        for start in range(0, len(part), _BLOCKS_AT_ONCE):
            rows = part[start : start + _BLOCKS_AT_ONCE]
            yield rows, int(widths[rows].max())


def _log_probability(blocks: Blocks, log_ratios: Floats) -> Floats:
    """Log probability of each block's assignment, by the elementary symmetric polynomial of its smaller arm.

    Counted over the smaller arm, whose log ratio has the other sign when it is the champion's: the product over one arm
    is the product over all divided by that over the other.
    """
    challengers = blocks.is_challenger.sum(axis=1)
    others = blocks.is_there.sum(axis=1) - challengers
    is_flipped = others < challengers
    sign = np.where(is_flipped, -1.0, 1.0)
    is_smaller = np.where(
        is_flipped[:, np.newaxis], blocks.is_there & ~blocks.is_challenger, blocks.is_challenger
    )
    count = np.minimum(challengers, others)
    exponent = (sign[:, np.newaxis] * log_ratios)[:, :, np.newaxis] * blocks.harm[:, np.newaxis, :]
    # Taking the largest off all exponents changes no probability and keeps the sums finite.
    exponent -= exponent.max(axis=2, keepdims=True)
    weight = np.exp(exponent) * blocks.is_there[:, np.newaxis, :]
    sums = np.zeros((*exponent.shape[:2], int(count.max(initial=0)) + 1))
    sums[:, :, 0] = 1.0
    for item in range(weight.shape[2]):
        sums[:, :, 1:] += weight[:, :, item, np.newaxis] * sums[:, :, :-1]
    seen = np.einsum("bki,bi->bk", exponent, is_smaller.astype(np.float64))
    return seen - np.log(sums[np.arange(len(count)), :, count])


def _log_mean_exp(values: Floats, weights: Floats) -> Floats:
    if not len(values):
        return np.zeros(0)
    highest = values.max(axis=1, keepdims=True)
    return highest[:, 0] + np.log(np.exp(values - highest) @ weights)
