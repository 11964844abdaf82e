"""Rows cut into blocks of entities: a block stays in a core's cache, and blocks run in parallel.

Rows come in order of time, windows need them entity by entity, and a jump through memory per value would cost
more than the windows do. So columns are moved twice: to the order of blocks, which writes to as many ascending
places as there are blocks, and inside a block, in cache, to the order of entities.
"""

from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 2**17
"""Rows and queries per block."""
MOST_CODES = 2**16
"""Codes per block: they are sorted by radix, which numpy's stable sort is for 16 bits."""


@dataclass(frozen=True)
class BlockRows:
    """The rows of a block's entities."""

    place: slice
    """Where the rows are in columns that are in the order of blocks."""
    by_entity: np.ndarray
    """Order of the block's rows that sorts them by entity; rows of one entity stay in order."""
    code: np.ndarray
    """Entity of each row, in the order of entities, counted from the block's first."""

    def take(self, column: np.ndarray) -> np.ndarray:
        """The rows' values, in the order of entities, of a column in the order of blocks."""
        return column[self.place][self.by_entity]

    def put(self, values: np.ndarray, column: np.ndarray) -> None:
        """Write values that are in the order of entities to a column in the order of blocks."""
        column[self.place][self.by_entity] = values


def cut_codes(rows_per_code: np.ndarray, *, most_codes: int) -> np.ndarray:
    """Codes at which blocks of about BLOCK_ROWS rows begin and, last, the number of codes."""
    ends = np.cumsum(rows_per_code)
    starts = [0]
    while (code := starts[-1]) < ends.size:
        before = int(ends[code - 1]) if code else 0
        full = int(np.searchsorted(ends, before + BLOCK_ROWS, side="right"))
        starts.append(min(max(full, code + 1), code + min(most_codes, MOST_CODES), ends.size))
    return np.array(starts)


class BlockedRows:
    """Rows by the block of their entity; rows of a block keep the order they had."""

    def __init__(self, codes: np.ndarray, first_codes: np.ndarray) -> None:
        """`codes` has the entity of each row, -1 for none; `first_codes` is what `cut_codes` gives."""
        self._first_codes = first_codes
        block_count = first_codes.size - 1
        numbers = np.arange(block_count + 1, dtype=np.min_scalar_type(block_count))
        # The last entry, which -1 means, is one block more: that of the rows without an entity.
        block_of_code = np.repeat(numbers, np.append(np.diff(first_codes), 1))
        blocks = block_of_code[codes]
        self._ends = np.cumsum(np.bincount(blocks, minlength=block_count))
        self._places = np.empty(codes.size, dtype=np.intp)
        self._places[np.argsort(blocks, kind="stable")] = np.arange(codes.size)
        self._codes = self.arrange(codes)

    def arrange(self, column: np.ndarray) -> np.ndarray:
        """A column, in the order of blocks."""
        arranged = np.empty_like(column)
        arranged[self._places] = column
        return arranged

    def restore(self, arranged: np.ndarray, out: np.ndarray) -> None:
        """Write a column that is in the order of blocks to `out`, in the order that the rows had."""
        # Places are in bounds; only where numpy need not check them does it write to `out` itself.
        arranged.take(self._places, out=out, mode="clip")

    def block(self, number: int) -> BlockRows:
        """The rows of one block."""
        place = slice(int(self._ends[number - 1]) if number else 0, int(self._ends[number]))
        code = (self._codes[place] - self._first_codes[number]).astype(np.uint16)
        by_entity = np.argsort(code, kind="stable")
        return BlockRows(place, by_entity, code[by_entity].astype(np.int64))
