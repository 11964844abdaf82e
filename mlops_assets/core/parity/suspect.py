"""What a diagnosis is given and finds: a request whose vector differs, and a skew that explains some of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Skew = Literal["float32 cast", "time zone", "off-by-one window", "stale label", "lost event"]


@dataclass(frozen=True)
class Suspect:
    """A request whose served vector differs from the derived one."""

    event_id: int | str
    names: tuple[str, ...]
    served: npt.NDArray[np.float64]
    """In the order of `names`; null is NaN."""
    wrong: frozenset[str]


@dataclass(frozen=True)
class Explanation:
    """A kind of skew, and the suspects (by their place) that it explains."""

    skew: Skew
    words: str
    explains: frozenset[int]


def is_same(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether values agree, cell by cell: the same 64 bits, or both null (NaN)."""
    return (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
