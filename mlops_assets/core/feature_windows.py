"""Exact window aggregates of row versions, as of each query's own time, in numpy.

A version that is seen from just after `activation` up to and with `expiry` adds to a total in between, so a
total at t is the sum over activations before t minus the sum over expiries before t. Both are prefix sums
over rows sorted by entity and time, read by binary search: O(n log n) whatever the window, and exact, since
the sums are integers. What must not live here: frames, feature views, and what the times mean (`feature_view`
states it).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 2**17
"""Rows and queries per block of entities: it stays in a core's cache, and blocks run in parallel."""
PAIRS = 2**21
"""Pairs of query and row that are looked at together where an aggregate needs each row in the window."""


@dataclass(frozen=True)
class Grouping:
    """Rows in the order of their entities' codes; rows of one entity keep the order they had."""

    order: np.ndarray
    """Positions of the rows; rows without an entity are left out."""
    starts: np.ndarray
    """Where each code's rows start in `order`, and, last, where they end."""

    @classmethod
    def of(cls, codes: np.ndarray, code_count: int) -> "Grouping":
        """Group rows by code; -1 is no entity."""
        order = _order_by_code(codes)
        counts = np.bincount(codes if order.size == codes.size else codes[order], minlength=code_count)
        return cls(order, np.concatenate(([0], np.cumsum(counts))))

    def block(self, codes: range) -> "BlockRows":
        """The rows of some codes."""
        starts = self.starts[codes.start : codes.stop + 1]
        return BlockRows(
            self.order[starts[0] : starts[-1]], np.repeat(np.arange(len(codes)), np.diff(starts))
        )


@dataclass(frozen=True)
class BlockRows:
    """Positions of a block's rows, and their codes counted from the block's first."""

    positions: np.ndarray
    code: np.ndarray


@dataclass(frozen=True)
class Timeline:
    """The times of row versions, in microseconds; rows of one entity are in order of event time and id."""

    event_time: np.ndarray
    known_at: np.ndarray
    superseded_at: np.ndarray | None


@dataclass(frozen=True)
class KeySpace:
    """Entity and time as one int64 that sorts by both."""

    origin: int
    span: int

    @classmethod
    def of(cls, *times: np.ndarray) -> "KeySpace":
        """The space that holds all the given times."""
        origin = min((int(array.min()) for array in times if array.size), default=0)
        return cls(origin, max((int(array.max()) for array in times if array.size), default=0) - origin + 1)

    def keys(self, code: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Keys of the times; one outside the space gets its nearest end, which compares alike."""
        return code * self.span + np.clip(time - self.origin, 0, self.span - 1)


def blocks(rows: Grouping, queries: Grouping, space: KeySpace) -> Iterator[range]:
    """Cut the codes into ranges that have queries, about BLOCK_ROWS rows, and keys that fit an int64."""
    weight = rows.starts + queries.starts
    most_codes = (2**63 - 1) // space.span
    code, code_count = 0, weight.size - 1
    while code < code_count:
        full = int(np.searchsorted(weight, weight[code] + BLOCK_ROWS))
        end = min(max(full, code + 1), code + most_codes, code_count)
        if queries.starts[end] > queries.starts[code]:
            yield range(code, end)
        code = end


class BlockWindows:
    """The windows of a block's queries over its rows, all with the same delay."""

    def __init__(
        self,
        timeline: Timeline,
        rows: BlockRows,
        queries: BlockRows,
        query_time: np.ndarray,
        *,
        space: KeySpace,
        delay: int,
    ) -> None:
        """`query_time` is that of the block's queries, and does not decrease within an entity."""
        self._space, self._rows, self._queries, self._query_time = space, rows, queries, query_time
        self._ended = timeline.event_time[rows.positions] + delay
        self._known = self._ended
        if delay or timeline.known_at is not timeline.event_time:
            self._known = timeline.known_at[rows.positions]
        superseded = timeline.superseded_at
        self._superseded = None if superseded is None else superseded[rows.positions]
        self._activation = np.maximum(self._known, self._ended)
        self._needles = space.keys(queries.code, query_time)
        self._active: list[np.ndarray] | None = None

    def totals(self, window: int, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per query, the number of rows seen, then the sum of each int64 column over them.

        `columns` must be the same in every call: their sums up to the activations are kept.
        """
        if self._active is None:
            self._active = self._before(self._activation, columns)
        expiry = self._ended + (window - 1)
        if self._superseded is not None:
            expiry = np.minimum(expiry, self._superseded)
        expired = self._before(np.maximum(expiry, self._activation), columns)
        return [active - gone for active, gone in zip(self._active, expired, strict=True)]

    def _before(self, times: np.ndarray, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per query, count and sums of the rows of lower entities and of its own entity's rows before it."""
        keys = self._space.keys(self._rows.code, times)
        order = slice(None)
        if not (keys[1:] >= keys[:-1]).all():
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
        positions = np.searchsorted(keys, self._needles)
        return [positions, *(_prefix_sums(column[order])[positions] for column in columns)]

    def pairs(self, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every (query, row) with the row seen, as sorted positions in the block; whole queries at once."""
        keys = self._space.keys(self._rows.code, self._ended)
        first_key = self._queries.code * self._space.span
        low = np.searchsorted(keys, np.maximum(self._needles - (window - 1), first_key))
        count = np.searchsorted(keys, self._needles) - low
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
        is_seen = self._known[row] < self._query_time[query]
        if self._superseded is not None:
            is_seen &= self._superseded[row] >= self._query_time[query]
        return query[is_seen], row[is_seen]


def _prefix_sums(column: np.ndarray) -> np.ndarray:
    sums = np.zeros(column.size + 1, dtype=np.int64)
    np.cumsum(column, out=sums[1:])
    return sums


def _order_by_code(codes: np.ndarray) -> np.ndarray:
    """Positions that sort by code, keeping the order of equal codes; -1 is left out.

    A radix sort of 16 bits at a time, which numpy's stable sort is for that type: linear in the rows.
    """
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    shift = 16
    while int(codes.max(initial=0)) >> shift:
        order = order[np.argsort(((codes[order] >> shift) & 0xFFFF).astype(np.uint16), kind="stable")]
        shift += 16
    return order[codes[order] >= 0] if codes.min(initial=0) < 0 else order
