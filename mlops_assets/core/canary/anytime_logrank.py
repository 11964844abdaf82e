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
- That chance depends on how many requests without harm came before, and differently for a version whose harm keeps to
  few entities. So a block holds requests of one stratum: 1st, 2nd to 3rd, 4th to 7th … request of their entities. The
  ratio of a stratum is `ratio` times the stratum's factor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlops_assets.core.canary.risk_set import Booleans, Floats, Integers, follow_entities
from mlops_assets.core.errors import MonitoringError

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
    """Number of the step, which is an experiment of its own: entities begin anew, and blocks never span two."""


@dataclass(frozen=True)
class Blocks:
    """The blocks that tell the arms apart: harm in some of the requests, and requests in both arms."""

    harm: Floats
    """(blocks, requests), zero beyond a block's own requests."""
    is_there: Booleans
    is_challenger: Booleans
    stratum: Integers
    """Of each block's requests, see `risk_set.stratum_of`."""
    closed_at: Integers
    """Position, among the requests, of each block's last one; blocks are in this order."""

    def __len__(self) -> int:
        return len(self.closed_at)


def block_size(challenger_percent: int) -> int:
    """Return how many requests make a block: enough for about two of the smaller arm, 20 to 200.

    A block of n requests keeps (n - 1) / n of the information, and a block that is not full waits.
    """
    smaller = max(min(challenger_percent, 100 - challenger_percent), 1)
    return int(np.clip(np.ceil(200 / smaller), _SMALLEST_BLOCK, _LARGEST_BLOCK))


def make_blocks(requests: Requests, *, strata: int | None = None) -> Blocks:
    """Cut the requests of each step and stratum into blocks; an entity counts once per block, each of its harms once.

    Adding later requests changes no block that was full before. Where a block ends depends on no harm in its own
    stratum: an entity that leaves keeps its places in the stratum in which it leaves.

    strata: leave out requests of this stratum and of later ones; None keeps all.

    Raises: MonitoringError for harm outside 0 to 1.
    """
    if len(requests.harm) and not (requests.harm.min() >= 0 and requests.harm.max() <= 1):
        raise MonitoringError("harm must lie between 0 and 1")
    history = follow_entities(requests.harm, requests.entity, requests.step)
    takes_place = history.is_at_risk_in_stratum
    if strata is not None:
        takes_place &= history.stratum < strata
    chosen = np.flatnonzero(takes_place)
    group = np.unique(np.stack([requests.step, history.stratum]), axis=1, return_inverse=True)[1][chosen]
    block, is_full = _cut(group, requests.block_size[chosen])
    last = _last_positions(block, chosen)
    compared = is_full & history.is_at_risk[chosen]
    block, chosen = block[compared], chosen[compared]
    entity_in_block = block * (requests.entity.max(initial=0) + 1) + requests.entity[chosen]
    first = np.unique(entity_in_block, return_index=True)[1]
    block, chosen = block[first], chosen[first]
    kept = _telling(block, history.harm[chosen], requests.is_challenger[chosen])[block]
    return _pad(
        block[kept], chosen[kept], replace(requests, harm=history.harm), stratum=history.stratum, last=last
    )


def log_e_process(
    blocks: Blocks, *, null_ratio: float, direction: Direction, factors: Sequence[float] | None = None
) -> Floats:
    """Return the logarithm of the evidence after each block that the ratio lies beyond `null_ratio`.

    `more`: above it, `fewer`: below it. While it does not, the evidence ever reaches 1 / alpha with probability at most
    alpha. factors: of each stratum of the blocks, by which it multiplies every ratio; None is 1.
    """
    steps = np.array(ALTERNATIVES)
    alternatives = null_ratio * steps if direction == "more" else null_ratio / steps
    evidence = _log_likelihood(blocks, np.array([null_ratio, *alternatives]), factors)
    return _log_mean_exp(evidence[:, 1:] - evidence[:, :1], np.full(len(steps), 1 / len(steps)))


def confidence_sequence(
    blocks: Blocks, *, alpha: float, factors: Sequence[float] | None = None
) -> tuple[float, float]:
    """Return the ratios that no look so far has excluded; 0 and infinity are ends that the data leave open.

    At all looks together, the true ratio is excluded with probability at most `alpha`. Where no ratio is left, since it
    has changed on the way, those are returned that the last look alone does not exclude. factors: see `log_e_process`.
    """
    if not len(blocks):
        return 0.0, float("inf")
    log_ratios = np.log(INTERVAL_RATIOS)
    prior = np.exp(-0.5 * (log_ratios / _INTERVAL_SPREAD) ** 2)
    likelihood = _log_likelihood(blocks, INTERVAL_RATIOS, factors)
    evidence = _log_mean_exp(likelihood, prior / prior.sum())[:, np.newaxis] - likelihood
    kept = np.flatnonzero(evidence.max(axis=0) < np.log(1 / alpha))
    if not len(kept):
        kept = np.flatnonzero(evidence[-1] < np.log(1 / alpha))
    low = INTERVAL_RATIOS[kept[0] - 1] if kept[0] > 0 else 0.0
    high = INTERVAL_RATIOS[kept[-1] + 1] if kept[-1] + 1 < len(log_ratios) else np.inf
    return float(low), float(high)


def _cut(group: Integers, size: Integers) -> tuple[Integers, Booleans]:
    """Number each request's block, in the order of its group, and say whether that block is full."""
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0][: len(order)])
    within = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    block = np.empty(len(order), dtype=np.int64)
    block[order] = np.cumsum(within % size[order] == 0) - 1
    return block, np.bincount(block, minlength=1)[block] == size


def _last_positions(block: Integers, chosen: Integers) -> Integers:
    last = np.zeros(int(block.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(last, block, chosen)
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


def _pad(
    block: Integers, chosen: Integers, requests: Requests, *, stratum: Integers, last: Integers
) -> Blocks:
    """Lay the requests of each block out in a row, blocks in the order in which they close."""
    rank = np.argsort(np.argsort(last))  # a request belongs to one block, so that no two close at once
    order = np.argsort(rank[block], kind="stable")
    block, chosen = block[order], chosen[order]
    _, first, row, size = np.unique(rank[block], return_index=True, return_inverse=True, return_counts=True)
    column = np.arange(len(block)) - np.repeat(np.cumsum(size) - size, size)
    shape = (len(size), int(size.max(initial=0)))
    harm, is_there, is_challenger = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    harm[row, column] = requests.harm[chosen]
    is_there[row, column] = True
    is_challenger[row, column] = requests.is_challenger[chosen]
    return Blocks(harm, is_there, is_challenger, stratum[chosen[first]], last[block[first]])


def _log_likelihood(blocks: Blocks, ratios: Floats, factors: Sequence[float] | None) -> Floats:
    """Running sum over blocks of the log probability of the assignment seen, (blocks, ratios)."""
    found = np.zeros((len(blocks), len(ratios)))
    shift = np.zeros(len(blocks)) if factors is None else np.log(np.array(factors))[blocks.stratum]
    for rows, width in _parts(blocks):
        part = Blocks(
            blocks.harm[rows, :width],
            blocks.is_there[rows, :width],
            blocks.is_challenger[rows, :width],
            blocks.stratum[rows],
            blocks.closed_at[rows],
        )
        found[rows] = _log_probability(part, np.log(ratios) + shift[rows, np.newaxis])
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

    log_ratios: (blocks, ratios).

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
