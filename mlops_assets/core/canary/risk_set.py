"""How an entity is followed through its requests: which of them count, with which harm, and in which stratum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """What came before each request of its entity, one entry each, and what the request counts for."""

    stratum: Integers
    """See `stratum_of`."""
    is_at_risk: Booleans
    """Whether the entity has had no harm of 1 yet."""
    is_at_risk_in_stratum: Booleans
    """The same when the entity came to this stratum."""
    harm: Floats
    """The request's, where it is the entity's greatest so far; else 0."""


def stratum_of(ordinal: Integers) -> Integers:
    """Return 0 for an entity's first request, 1 for the 2nd and 3rd, 2 for the 4th to 7th, and so on by doubling."""
    return np.frexp(ordinal.astype(np.float64))[1].astype(np.int64) - 1


def follow_entities(harm: Floats, entity: Integers, step: Integers) -> History:
    """Follow each entity through each step; rows are requests in their order, harm is 0 to 1."""
    order = np.lexsort((entity, step))  # stable: requests of an entity stay in their order
    is_first = np.r_[True, (np.diff(entity[order]) != 0) | (np.diff(step[order]) != 0)][: len(order)]
    place = np.arange(len(order))
    stratum = stratum_of(place - _newest(is_first) + 1)
    worst = _worst_before(harm[order], is_first)
    enters = is_first | np.r_[True, np.diff(stratum) != 0][: len(order)]
    back = np.empty_like(order)
    back[order] = place
    worst_at_entry, worst = worst[_newest(enters)][back], worst[back]
    return History(
        stratum=stratum[back],
        is_at_risk=worst < 1,
        is_at_risk_in_stratum=worst_at_entry < 1,
        harm=np.where(harm > worst, harm, 0.0),
    )


def _newest(is_marked: Booleans) -> Integers:
    """Place of the newest marked row, for each row; the first is marked."""
    return np.maximum.accumulate(np.where(is_marked, np.arange(len(is_marked)), 0))


def _worst_before(harm: Floats, is_first: Booleans) -> Floats:
    """Greatest harm of earlier rows of the same group, of which `is_first` marks the first; 0 where there is none."""
    before = np.where(is_first, 0.0, np.r_[0.0, harm][: len(harm)])
    values, rank = np.unique(before, return_inverse=True)
    beginning = (np.cumsum(is_first) - 1) * len(values)
    return values[np.maximum.accumulate(rank + beginning) - beginning]
