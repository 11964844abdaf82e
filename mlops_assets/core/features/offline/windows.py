"""Exact window aggregates of row versions, as of each query's own time, in numpy, one block of entities at a time.

Rows are sorted by entity and event time, so those in a window are neighbours, and a total is a difference of
two prefix sums: O(n) whatever the window, and exact, since the sums are integers. Rows that became known after
a window had begun to see their event time, or that a later version replaced, are kept apart: one that is seen
from just after `activation` up to and with `expiry` adds to a total in between, so their total at t is the sum
over activations before t minus the sum over expiries before t.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops_assets.core.features.offline.entity_blocks import BlockRows

PAIRS = 2**21
"""Pairs of query and row that are looked at together where an aggregate needs each row in the window."""


@dataclass(frozen=True)
class Versions:
    """When row versions begin and cease to hold, in microseconds, in the order of blocks."""

    known_at: np.ndarray
    superseded_at: np.ndarray | None


@dataclass(frozen=True)
class KeySpace:
    """Entity and time as one int64 that sorts by both."""

    earliest: int
    latest: int
    longest: int
    """Times are looked at up to this long before their own: an entity's keys stay above those of the one before."""

    @classmethod
    def of(cls, times: np.ndarray, *, lookback: int) -> "KeySpace":
        """The space of the given times, and of those up to `lookback` before them."""
        earliest, latest = (int(times.min()), int(times.max())) if times.size else (0, 0)
        return cls(earliest, latest, min(lookback, latest - earliest))

    @property
    def most_codes(self) -> int:
        """Number of entities whose keys fit an int64."""
        return (2**63 - 1) // self._span

    @property
    def _span(self) -> int:
        return self.latest - self.earliest + self.longest + 1

    def keys(self, code: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Keys of times that are not before the earliest; one after the latest counts as the latest."""
        keys = code * self._span
        keys += np.minimum(time, self.latest)
        keys += self.longest - self.earliest
        return keys


class BlockTimes:
    """How many of a block's rows lie before a query, for queries and rows in order of entity and time."""

    def __init__(
        self,
        rows: BlockRows,
        row_time: np.ndarray,
        queries: BlockRows,
        query_time: np.ndarray,
        space: KeySpace,
    ) -> None:
        self.rows, self.row_time, self.query_time, self.space = rows, row_time, query_time, space
        keys = space.keys(rows.code, row_time)
        self.needles = keys if queries is rows else space.keys(queries.code, query_time)
        self._keys = keys
        self._counts: dict[int, np.ndarray] = {}

    def count_before(self, age: int) -> np.ndarray:
        """Per query, the rows of lower entities, and its own entity's rows of more than `age` before it."""
        if age not in self._counts:
            self._counts[age] = np.searchsorted(self._keys, self.needles - min(age, self.space.longest))
        return self._counts[age]


class BlockWindows:
    """The windows of a block's queries over its rows, all with the same delay."""

    def __init__(
        self, times: BlockTimes, versions: Versions | None, columns: Sequence[np.ndarray], *, delay: int
    ) -> None:
        """`columns` are the int64 columns to sum, of the rows in order of entity and time.

        Without `versions` all rows are known when a window can first see them, and hold for ever.
        """
        self._times, self._delay = times, delay
        self._late: LateRows | None = None
        if versions is not None:
            self._late, columns = self._split(versions, columns)
        self._sums = [_prefix_sums(column) for column in columns]

    def _split(
        self, versions: Versions, columns: Sequence[np.ndarray]
    ) -> tuple["LateRows | None", Sequence[np.ndarray]]:
        """The late rows, if any, and the columns without them, after one that counts the others."""
        rows, ended = self._times.rows, self._times.row_time + self._delay
        known = rows.take(versions.known_at)
        is_late = known > ended
        superseded: np.ndarray | None = None
        if versions.superseded_at is not None:
            superseded = rows.take(versions.superseded_at)
            is_late |= superseded <= self._times.space.latest
        if not is_late.any():
            return None, columns
        columns = [np.ones(is_late.size, dtype=np.int64), *columns]
        late = LateRows(
            self._times,
            np.flatnonzero(is_late),
            ended,
            np.maximum(known, ended),
            superseded,
            [column[is_late] for column in columns],
        )
        return late, [np.where(is_late, 0, column) for column in columns]

    def _bounds(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Per query, the first row in the window and the first one after it."""
        return self._times.count_before(self._delay + window - 1), self._times.count_before(self._delay)

    def totals(self, window: int) -> list[np.ndarray]:
        """Per query, the number of rows seen, then the sum of each column over them."""
        low, high = self._bounds(window)
        totals = [sums[high] - sums[low] for sums in self._sums]
        if self._late is None:
            return [high - low, *totals]
        return [prompt + late for prompt, late in zip(totals, self._late.totals(window), strict=True)]

    def pairs(self, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every (query, row) with the row seen, as sorted positions in the block; whole queries at once."""
        low, high = self._bounds(window)
        count = high - low
        total = np.cumsum(count)
        start = 0
        while start < count.size:
            done = int(total[start - 1]) if start else 0
            stop = max(int(np.searchsorted(total, done + PAIRS, side="right")), start + 1)
            yield self._seen(start, low[start:stop], count[start:stop])
            start = stop

    def _seen(self, start: int, low: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        query = np.repeat(np.arange(start, start + count.size), count)
        row = np.arange(query.size) + np.repeat(low - (np.cumsum(count) - count), count)
        if self._late is None:
            return query, row
        is_seen = self._late.holds(row, self._times.query_time[query])
        return query[is_seen], row[is_seen]


@dataclass(frozen=True)
class LateRows:
    """Rows of a block that are not seen for as long as their event time would let them, in any order."""

    times: BlockTimes
    late: np.ndarray
    """Which rows these are."""
    ended: np.ndarray
    """Per row of the block, its event time and the delay: a window ends before it or begins to see it."""
    activation: np.ndarray
    """Per row of the block, the last time at which it is not seen yet."""
    superseded: np.ndarray | None
    columns: Sequence[np.ndarray]
    """What to sum, per late row."""

    def holds(self, row: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Whether the version of each row, which is inside the window, holds at the time."""
        holds = self.activation[row] < time
        if self.superseded is not None:
            holds &= self.superseded[row] >= time
        return holds

    @cached_property
    def _active(self) -> list[np.ndarray]:
        return self._sums_before(self.activation)

    def totals(self, window: int) -> list[np.ndarray]:
        """Per query, the sum of each column over the late rows seen."""
        expiry = self.ended + (window - 1)
        if self.superseded is not None:
            expiry = np.minimum(expiry, self.superseded)
        gone = self._sums_before(np.maximum(expiry, self.activation))
        return [active - expired for active, expired in zip(self._active, gone, strict=True)]

    def _sums_before(self, times: np.ndarray) -> list[np.ndarray]:
        """Per query, the sums over rows of lower entities and over its own entity's rows before it."""
        keys = self.times.space.keys(self.times.rows.code[self.late], times[self.late])
        order = np.argsort(keys, kind="stable")
        positions = np.searchsorted(keys[order], self.times.needles)
        return [_prefix_sums(column[order])[positions] for column in self.columns]


def _prefix_sums(column: np.ndarray) -> np.ndarray:
    sums = np.zeros(column.size + 1, dtype=np.int64)
    np.cumsum(column, out=sums[1:])
    return sums
