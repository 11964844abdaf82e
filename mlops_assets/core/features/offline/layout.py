"""One entity's rows and queries, in blocks of entities.

Events, labels and asked events are cut alike, so that a block has all that its windows need.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlops_assets.core.features.offline.entity_blocks import BlockedRows, BlockRows, cut_codes
from mlops_assets.core.features.offline.rows import Rows
from mlops_assets.core.features.offline.windows import BlockTimes, KeySpace
from mlops_assets.core.features.view import Stream


@dataclass(frozen=True, eq=False)
class LaidColumn:
    """A column in the order of blocks."""

    of_rows: np.ndarray
    of_queries: np.ndarray
    """The asked events' own values; empty for a column of the labels."""


@dataclass(frozen=True)
class LaidStream:
    """The rows of one stream; columns are in the order of blocks."""

    rows: Rows
    blocked: BlockedRows
    event_time: np.ndarray


@dataclass(frozen=True)
class Block:
    """What the windows of some entities need."""

    times: Mapping[Stream, BlockTimes]
    queries: BlockRows


class Layout:
    """The rows of all streams and the asked events, for one entity."""

    def __init__(
        self, streams: Mapping[Stream, Rows], code: np.ndarray, asked: np.ndarray | None, *, lookback: int
    ) -> None:
        """`code` is the entity of each event version; of `asked`, their positions, None means all."""
        self._asked = asked
        event_time = streams["events"].event_time
        self._space = KeySpace.of(event_time, lookback=lookback)
        self.asked_code = code if asked is None else code[asked]
        code_count = int(code.max(initial=-1)) + 1
        counts = asked_counts = _rows_per_code(code, code_count)
        if asked is not None:
            asked_counts = _rows_per_code(self.asked_code, code_count)
        first_codes = cut_codes(counts + asked_counts, most_codes=self._space.most_codes)
        has_queries = np.add.reduceat(asked_counts, first_codes[:-1]) if counts.size else counts
        self.block_numbers: list[int] = np.flatnonzero(has_queries).tolist()
        blocked = BlockedRows(code, first_codes)
        events = LaidStream(streams["events"], blocked, blocked.arrange(event_time))
        self.streams: dict[Stream, LaidStream] = {"events": events}
        if "labels" in streams:
            self.streams["labels"] = _laid_labels(streams["labels"], events, code, first_codes)
        self.queries = blocked if asked is None else BlockedRows(self.asked_code, first_codes)
        self._query_time = events.event_time if asked is None else self.queries.arrange(event_time[asked])

    def lay(self, column: np.ndarray, stream: Stream) -> LaidColumn:
        """Bring a column of a stream to the order of blocks."""
        of_rows = self.streams[stream].blocked.arrange(column)
        if stream == "labels":
            return LaidColumn(of_rows, column[:0])
        return LaidColumn(
            of_rows, of_rows if self._asked is None else self.queries.arrange(column[self._asked])
        )

    def block(self, number: int) -> Block:
        """The rows and queries of one block; where labels are the events' rows, both are searched once."""
        events = self.streams["events"]
        rows = events.blocked.block(number)
        queries = rows if self._asked is None else self.queries.block(number)
        query_time = queries.take(self._query_time)
        times: dict[Stream, BlockTimes] = {}
        for stream, laid in self.streams.items():
            if laid.blocked is events.blocked and times:
                times[stream] = times["events"]
                continue
            stream_rows = rows if laid is events else laid.blocked.block(number)
            times[stream] = BlockTimes(
                stream_rows, stream_rows.take(laid.event_time), queries, query_time, self._space
            )
        return Block(times, queries)


def _rows_per_code(codes: np.ndarray, code_count: int) -> np.ndarray:
    if codes.min(initial=0) < 0:
        codes = codes[codes >= 0]
    return np.bincount(codes, minlength=code_count)


def _laid_labels(labels: Rows, events: LaidStream, code: np.ndarray, first_codes: np.ndarray) -> LaidStream:
    if labels.event_row is None:
        return replace(events, rows=labels)
    blocked = BlockedRows(code[labels.event_row], first_codes)
    return LaidStream(labels, blocked, blocked.arrange(labels.event_time))
