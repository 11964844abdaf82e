"""Exact window aggregates of row versions, as of each query's own time, in numpy.

A version seen from time t on (`activation` < t) until `expiry` >= t adds to a total while it holds, so a total at t is
the sum over activations before t minus the sum over expiries before t. Both are prefix sums over rows sorted by
(entity, time), read by binary search: O(n log n) whatever the window, and exact since the sums are integers.
What must not live here: frames, feature views, and what the times mean (`feature_view` states it).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 2**17
"""Rows per block of entities: its keys and sums stay in a core's cache, and blocks run in parallel."""
PAIRS = 2**21
"""Pairs of query and row that are looked at together where an aggregate needs each row in the window."""


@dataclass(frozen=True)
class Timeline:
    """Row versions sorted by (entity code, event time, id); times are microseconds since any origin."""

    code: np.ndarray
    event_time: np.ndarray
    known_at: np.ndarray
    superseded_at: np.ndarray | None


@dataclass(frozen=True)
class Queries:
    """Moments at which entities are asked about, sorted by (entity code, time)."""

    code: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class Block:
    """Some whole entities: their rows and queries as slices of a timeline and of queries."""

    rows: slice
    queries: slice
    first_code: int


@dataclass(frozen=True)
class KeySpace:
    """Entity and time as one int64 that sorts by both."""

    origin: int
    span: int

    @classmethod
    def of(cls, timeline: Timeline, queries: Queries) -> "KeySpace":
        """The space that holds all event and query times."""
        times = [array for array in (timeline.event_time, queries.time) if array.size]
        origin = min((int(array.min()) for array in times), default=0)
        return cls(origin, max((int(array.max()) for array in times), default=0) - origin + 1)

    def keys(self, codes: np.ndarray, times: np.ndarray, first_code: int) -> np.ndarray:
        """Keys of the times; a time outside the space gets its nearest end, which no comparison with a query sees."""
        return (codes - first_code) * self.span + np.clip(times - self.origin, 0, self.span - 1)


def blocks(
    timeline: Timeline, queries: Queries, space: KeySpace, block_rows: int = BLOCK_ROWS
) -> Iterator[Block]:
    """Cut the entities into blocks of about `block_rows` rows whose keys fit an int64; entities without queries are left out."""
    if not queries.code.size:
        return
    most_codes = (2**63 - 1) // space.span
    code, last = int(queries.code[0]), int(queries.code[-1])
    while code <= last:
        first_query = int(np.searchsorted(queries.code, code))
        code = int(queries.code[first_query])
        first_row = int(np.searchsorted(timeline.code, code))
        end = min(
            _code_at(timeline.code, first_row + block_rows), _code_at(queries.code, first_query + block_rows)
        )
        end = min(max(end, code + 1), code + most_codes, last + 1)
        last_row, last_query = (int(np.searchsorted(side.code, end)) for side in (timeline, queries))
        yield Block(slice(first_row, last_row), slice(first_query, last_query), code)
        code = end


def _code_at(codes: np.ndarray, position: int) -> int:
    return int(codes[position]) if position < codes.size else 2**62


class BlockWindows:
    """The windows of one block's queries over one block's rows, all with the same delay."""

    def __init__(
        self, timeline: Timeline, queries: Queries, block: Block, *, space: KeySpace, delay: int
    ) -> None:
        self._space = space
        self._code, self._first_code = timeline.code[block.rows], block.first_code
        self._ended = timeline.event_time[block.rows] + delay
        self._known = timeline.known_at[block.rows]
        superseded = timeline.superseded_at
        self._superseded = None if superseded is None else superseded[block.rows]
        self._activation = np.maximum(self._known, self._ended)
        self._query_code, self._query_time = queries.code[block.queries], queries.time[block.queries]
        self._needles = space.keys(self._query_code, self._query_time, self._first_code)
        self._active: list[np.ndarray] | None = None

    def totals(self, window: int, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per query, the number of rows seen, then the sum of each int64 column over them.

        `columns` must be the same in every call: sums up to the activations are kept from the first.
        """
        if self._active is None:
            self._active = self._before(self._activation, columns)
        expiry = self._ended + (window - 1)
        if self._superseded is not None:
            expiry = np.minimum(expiry, self._superseded)
        expired = self._before(np.maximum(expiry, self._activation), columns)
        return [a - b for a, b in zip(self._active, expired, strict=True)]

    def _before(self, times: np.ndarray, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per query, count and column sums of the rows of lower entities, and of its own whose time is before it."""
        keys = self._space.keys(self._code, times, self._first_code)
        order = slice(None)
        if keys.size and not (keys[1:] >= keys[:-1]).all():
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
        positions = np.searchsorted(keys, self._needles)
        return [positions, *(_prefix_sums(column[order])[positions] for column in columns)]

    def pairs(self, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every (query, row) in which the row is seen, as positions in the block, sorted by both; in bounded pieces."""
        keys = self._space.keys(self._code, self._ended, self._first_code)
        base = (self._query_code - self._first_code) * self._space.span
        low = np.searchsorted(keys, np.maximum(self._needles - (window - 1), base))
        count = np.maximum(np.searchsorted(keys, self._needles) - low, 0)
        total = np.cumsum(count)
        start = 0
        while start < count.size:
            done = total[start - 1] if start else 0
            stop = max(int(np.searchsorted(total, done + PAIRS, side="right")), start + 1)
            piece = count[start:stop]
            query = np.repeat(np.arange(start, stop), piece)
            offset = np.arange(query.size) - np.repeat(np.cumsum(piece) - piece, piece)
            row = low[query] + offset
            seen = self._known[row] < self._query_time[query]
            if self._superseded is not None:
                seen &= self._superseded[row] >= self._query_time[query]
            yield query[seen], row[seen]
            start = stop


def _prefix_sums(column: np.ndarray) -> np.ndarray:
    sums = np.zeros(column.size + 1, dtype=np.int64)
    np.cumsum(column, out=sums[1:])
    return sums
