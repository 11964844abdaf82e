"""The bytes of one entity's online state: how they are read, and how a row is added.

A state is a header, room for the newest events, a block of 8-byte little-endian words and, where ids are text or
values are looked at as they are, a msgpack tail. The block holds the columns of the event versions, one after the
other, then those of the label versions. Rows are sorted by (event time, id, known time), so that windows are slices.
Columns that are summed hold running totals, modulo 2**64, so that a sum is a difference whatever the window's length.
An event that is newer than all others goes into the room, whose columns continue those of the block: only the first
bytes of the state change then, and an embedded store writes one page of it instead of all.
"""

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.layout import EVENT_ID, FORMAT, LABEL_ID, EntityLayout
from mlops_assets.core.formats import other_format

ROOM_ROWS = 8
"""Events that fit before the block. Of a row in its page of 4 KiB SQLite keeps 489 bytes or more: header and room."""
NEVER = 2**62
LONG_AGO = -NEVER
HAS_NULLS, HAS_VERSIONS, HAS_LABEL_VERSIONS, HAS_TEXT_IDS = 1, 2, 4, 8
"""Flags: a value is missing, or too large for plain totals; the column superseded_at is there; a label has several
versions; ids are text.
"""
_HEADER = struct.Struct("<BBBBIIxxxxqqqq")
_ID = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class StateHeader:
    """What is known of a state as a whole. Times are microseconds."""

    horizon: int = LONG_AGO
    """Events before it cannot be answered: rows that their windows reach may have been left out."""
    asked_until: int = LONG_AGO
    """The newest event time at which this entity was scored."""


def pack_state(
    header: StateHeader,
    *,
    flags: int,
    counts: tuple[int, int],
    latest_known: tuple[int, int],
    event_width: int,
    words: Sequence[bytes | memoryview],
    tail: Sequence[Sequence[object] | None] | None,
) -> bytes:
    """Join a state's parts; counts and latest known times are those of events and labels, words are in native order.

    A state without events or with a tail has no room for new ones: the next one makes the state anew.

    header: as the layout writes it. flags: bits of the layout. counts, latest_known: of events, of labels. event_width:
    words of one event. tail: events that are not in words yet, None for a state that keeps none.
    """
    room = ROOM_ROWS if counts[0] and tail is None else 0
    head = _HEADER.pack(FORMAT, flags, 0, room, *counts, header.horizon, header.asked_until, *latest_known)
    pieces: list[bytes | memoryview] = [head, bytes(8 * room * event_width)]
    pieces += words if sys.byteorder == "little" else [swapped(b"".join(words))]
    if tail is not None:
        pieces.append(msgspec.msgpack.encode(tail))
    return b"".join(pieces)


def empty_state(horizon: int) -> bytes:
    """A state without rows."""
    none = (LONG_AGO, LONG_AGO)
    return pack_state(
        StateHeader(horizon), flags=0, counts=(0, 0), latest_known=none, event_width=0, words=[], tail=None
    )


def totals_of(values: Sequence[int] | np.ndarray) -> np.ndarray:
    """Running totals of values, modulo 2**64; of an array of columns, those of each."""
    return np.cumsum(np.asarray(values, dtype=np.int64), axis=-1)


def _values_of(totals: "memoryview[Any]") -> list[int]:
    """What `totals_of` summed."""
    values = np.array(totals)
    values[1:] -= values[:-1].copy()
    return values.tolist()


def swapped(words: bytes | memoryview) -> bytes:
    """The 8-byte words in the other byte order."""
    block = array("q", bytes(words))
    block.byteswap()
    return block.tobytes()


class EntityState:
    """One state as it was read, its newest events at the end of its columns.

    Raises: OnlineStoreError when the bytes are none of ours.
    """

    __slots__ = (
        "_block",
        "_content",
        "_room",
        "_start",
        "_tail_start",
        "_used",
        "asked_until",
        "event_count",
        "event_width",
        "flags",
        "horizon",
        "label_base",
        "label_count",
        "latest_known",
        "latest_label_known",
        "layout",
        "words",
    )

    def __init__(self, layout: EntityLayout, content: bytes) -> None:
        if not content:
            content = _EMPTY
        if len(content) < _HEADER.size or content[0] != FORMAT:
            found = content[0] if len(content) >= _HEADER.size else None
            remedy = "clear the store and materialize online_features again"
            raise OnlineStoreError(
                other_format(f"state of {layout.entity}", found, readable=FORMAT, remedy=remedy)
            )
        (
            _,
            flags,
            newest,
            room,
            older,
            self.label_count,
            self.horizon,
            self.asked_until,
            self.latest_known,
            self.latest_label_known,
        ) = _HEADER.unpack_from(content)
        self.layout, self.flags = layout, flags
        self.event_count = count = older + newest
        self.event_width = width = layout.event_width + (1 if flags & HAS_VERSIONS else 0)
        self.label_base = width * count
        start = _HEADER.size + 8 * room * width
        end = start + 8 * (width * older + layout.label_width * self.label_count)
        if len(content) < end:
            raise OnlineStoreError(
                f"state of {layout.entity}: {len(content)} bytes where {end} are needed: clear the store and "
                "materialize online_features again"
            )
        self._room, self._used, self._content, self._tail_start = room, newest, content, end
        if newest:
            self._block, self._start = _joined(content, start, end, width, (older, newest, room)), 0
        else:
            self._block, self._start = content, start
        block = memoryview(self._block)[self._start : self._start + end - start + 8 * width * newest]
        self.words = (block if sys.byteorder == "little" else memoryview(swapped(block))).cast("q")

    @property
    def raw(self) -> "memoryview[Any]":
        """The words as bytes, in native order."""
        return self.words.cast("B")

    @property
    def doubles(self) -> "memoryview[Any]":
        """The words as the numbers that some of them are."""
        return self.words.cast("B").cast("d")

    def with_newest(self, row: "NewRow") -> bytes | None:
        """The state with an event that is newer than all others, if there is room for it; all else stays as it lies."""
        room, used = self._room, self._used
        if (
            used == room
            or sys.byteorder != "little"
            or self.flags & HAS_TEXT_IDS
            or isinstance(row.event_id, str)
        ):
            return None
        head = _HEADER.pack(
            FORMAT,
            self.flags | (HAS_NULLS if row.has_null else 0),
            used + 1,
            room,
            self.event_count - used,
            self.label_count,
            self.horizon,
            max(self.asked_until, row.time),
            max(self.latest_known, row.known_at),
            self.latest_label_known,
        )
        end = _HEADER.size + 8 * room * self.event_width
        slots = array("q", self._content[_HEADER.size : end])
        words, count = array("q", _row_words(self, row)), self.event_count
        for column in self.layout.event_totals:
            total = words[column] + self.words[(column + 1) * count - 1]
            words[column] = (total + 2**63) % 2**64 - 2**63
        slots[used::room] = words
        return b"".join((head, slots, memoryview(self._content)[end:]))

    def event_column(self, column: int) -> list[int]:
        """One word column of the events, as values."""
        start = column * self.event_count
        words = self.words[start : start + self.event_count]
        return _values_of(words) if column in self.layout.event_totals else words.tolist()

    def label_column(self, column: int) -> list[int]:
        """One word column of the labels, as values."""
        start = self.label_base + column * self.label_count
        words = self.words[start : start + self.label_count]
        return _values_of(words) if column in self.layout.label_totals else words.tolist()

    def superseded_at(self) -> list[int]:
        """Per event version when the next one became known."""
        if not self.flags & HAS_VERSIONS:
            return [NEVER] * self.event_count
        return self.event_column(self.event_width - 1)

    def tail(self) -> list[list]:
        """Text ids of the events, those of the labels, then the columns of objects of the events and of the labels."""
        objects = len(self.layout.events.objects) + len(self.layout.labels.objects)
        if self._tail_start == len(self._content):
            return [[] for _ in range(2 + objects)]
        return msgspec.msgpack.decode(memoryview(self._content)[self._tail_start :])

    def event_ids(self) -> Sequence[int | str]:
        """Per event version its id."""
        return self.tail()[0] if self.has_text_ids else self.event_column(EVENT_ID)

    def label_ids(self) -> Sequence[int | str]:
        """Per label version its event's id."""
        return self.tail()[1] if self.has_text_ids else self.label_column(LABEL_ID)

    @property
    def has_text_ids(self) -> bool:
        """Whether ids are texts."""
        return bool(self.flags & HAS_TEXT_IDS)

    def first_version(self, event_id: int | str) -> int | None:
        """Row of the first version of an event; None when it is not there."""
        if not isinstance(event_id, int):
            ids = self.event_ids()
            return ids.index(event_id) if event_id in ids else None
        # Bytes are searched tens of times faster than integers.
        word, start = _ID.pack(event_id), self._start + 8 * EVENT_ID * self.event_count
        end = start + 8 * self.event_count
        at = self._block.find(word, start, end)
        while at >= 0 and (at - start) % 8:
            at = self._block.find(word, at + 1, end)
        return None if at < 0 else (at - start) // 8


def _joined(content: bytes, start: int, end: int, width: int, rows: tuple[int, int, int]) -> bytes:
    """The block between `start` and `end` with the used rows of the room behind those of the block, per column."""
    view = memoryview(content)
    older, newest, room = rows
    pieces, at, slot = [], start, _HEADER.size
    for _ in range(width):
        pieces += (view[at : at + 8 * older], view[slot : slot + 8 * newest])
        at, slot = at + 8 * older, slot + 8 * room
    pieces.append(view[at:end])
    return b"".join(pieces)


_EMPTY = empty_state(LONG_AGO)


class NewRow(NamedTuple):
    """An event that a state does not hold yet."""

    time: int
    known_at: int
    event_id: int | str
    words: bytes
    """Time, known time, id (0 for text), digest and values (no totals), each one word in native byte order."""
    has_null: bool
    """Whether a value is missing, or too large for plain totals."""
    objects: Sequence[object]


def with_row(state: EntityState, row: NewRow, *, lateness: int) -> bytes:
    """The state with one more event, and now and then without the rows that no window of an event reaches any more.

    Windows reach back from the entity's newest event less `lateness`; the horizon moves there when rows are dropped.
    Rows are dropped when the whole state is written.
    """
    count, labels, words = state.event_count, state.label_count, state.words
    at = _position(state, row)
    if at == count and (longer := state.with_newest(row)) is not None:
        return longer
    newest = max(row.time, words[count - 1]) if count else row.time
    oldest = newest - lateness - state.layout.lookback
    drop = bisect_right(words, oldest, 0, at)
    first_label = bisect_right(words, oldest, state.label_base, state.label_base + labels) - state.label_base
    horizon = max(state.horizon, newest - lateness) if drop or first_label else state.horizon
    flags = state.flags | (HAS_NULLS if row.has_null else 0)
    tail = None
    if isinstance(row.event_id, str):
        flags |= HAS_TEXT_IDS
    if flags & HAS_TEXT_IDS or state.layout.has_objects:
        tail = _longer_tail(state, row, at=at, drop=drop, first_label=first_label)
    return pack_state(
        StateHeader(horizon, max(state.asked_until, row.time)),
        flags=flags,
        counts=(count - drop + 1, labels - first_label),
        latest_known=(max(state.latest_known, row.known_at), state.latest_label_known),
        event_width=state.event_width,
        words=_longer_words(state, row, at=at, drop=drop, first_label=first_label),
        tail=tail,
    )


def _position(state: EntityState, row: NewRow) -> int:
    """Where the row belongs among the events; between rows of one time by id."""
    count, words = state.event_count, state.words
    if not count or words[count - 1] < row.time:
        return count
    first, last = bisect_left(words, row.time, 0, count), bisect_right(words, row.time, 0, count)
    if first == last:
        return first
    return bisect_left(state.event_ids(), row.event_id, first, last)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _row_words(state: EntityState, row: NewRow) -> bytes:
    return row.words + struct.pack("=q", NEVER) if state.flags & HAS_VERSIONS else row.words


def _longer_words(
    state: EntityState, row: NewRow, *, at: int, drop: int, first_label: int
) -> list[bytes | memoryview]:
    raw, count, labels, layout = state.raw, state.event_count, state.label_count, state.layout
    values = _row_words(state, row)
    pieces: list[bytes | memoryview] = []
    start = 0
    for column in range(state.event_width):
        end, middle, value = start + 8 * count, start + 8 * at, values[8 * column : 8 * column + 8]
        if column in layout.event_totals:
            pieces += _longer_totals(raw[start:end].cast("q"), value, at=at, drop=drop)
        else:
            pieces += (raw[start + 8 * drop : middle], value, raw[middle:end])
        start = end
    if not first_label:
        pieces.append(raw[start:])
        return pieces
    for column in range(layout.label_width):
        end = start + 8 * labels
        if column in layout.label_totals:
            totals = np.array(raw[start:end].cast("q"))
            pieces.append((totals[first_label:] - totals[first_label - 1 : first_label]).tobytes())
        else:
            pieces.append(raw[start + 8 * first_label : end])
        start = end
    return pieces


def _longer_totals(column: "memoryview[Any]", value: bytes, *, at: int, drop: int) -> list[bytes]:
    """The totals with a value in place `at`, without those of the first `drop` rows."""
    totals, added = np.array(column), np.frombuffer(value, dtype=np.int64)
    none = np.zeros(1, dtype=np.int64)  # arrays are subtracted modulo 2**64, where single numbers warn
    dropped = totals[drop - 1 : drop] if drop else none
    before = totals[at - 1 : at] if at else none
    return [
        (totals[drop:at] - dropped).tobytes(),
        (before - dropped + added).tobytes(),
        (totals[at:] - dropped + added).tobytes(),
    ]


def _longer_tail(
    state: EntityState, row: NewRow, *, at: int, drop: int, first_label: int
) -> list[list[object] | None]:
    event_ids, label_ids, *objects = state.tail()
    is_text = isinstance(row.event_id, str)
    events = len(state.layout.events.objects)
    longer: list[list[object] | None] = [
        [*event_ids[drop:at], row.event_id, *event_ids[at:]] if is_text else None,
        label_ids[first_label:] if is_text else None,
    ]
    for column, value in zip(objects[:events], row.objects, strict=True):
        longer.append([*column[drop:at], value, *column[at:]])
    longer.extend(column[first_label:] for column in objects[events:])
    return longer
