"""The bytes of one entity's online state: which columns it keeps, and how they lie.

A state is a header, a block of 8-byte little-endian words and, where ids are text or values are looked at as they
are, a msgpack tail. The block holds the columns of the event versions, one after the other, then those of the label
versions. Rows are sorted by (event time, id, known time), so that windows are slices.

What lives here: layout, reading, and adding one row. What must not live here: which rows a window sees
(`online_windows`), where rows come from (`online_state`).
"""

import hashlib
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import isnan

import msgspec

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.feature_view import FeatureView, Stream

FORMAT = 1
ALLOWED_LATENESS = timedelta(days=7)
"""How much older than its entity's newest event an event may be; rows are kept that much longer than windows reach."""
NEVER = 2**62
LONG_AGO = -NEVER
NULL = -(2**63)
"""A scaled value that is missing; missing numbers are NaN."""
NAN_WORD = 0x7FF8000000000000
"""The bits of the one NaN that states hold."""
HAS_NULLS, HAS_VERSIONS, HAS_LABEL_VERSIONS, HAS_TEXT_IDS = 1, 2, 4, 8
"""Flags: a value is missing; the column superseded_at is there; a label has several versions; ids are text."""
EVENT_TIME, EVENT_KNOWN, EVENT_ID, EVENT_DIGEST, EVENT_VALUES = range(5)
LABEL_TIME, LABEL_KNOWN, LABEL_ID, LABEL_VALUES = range(4)
_HEADER = struct.Struct("<BBxxIIxxxxqqqq")
_ID = struct.Struct("<q")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class StreamColumns:
    """What is kept of each row of one stream, in this order."""

    numbers: tuple[str, ...] = ()
    """Columns as Float64: for count of a column, min, max and last."""
    scaled: tuple[tuple[str, int], ...] = ()
    """Columns and decimals as fixed-point integers: for sum and mean."""
    objects: tuple[str, ...] = ()
    """Columns as they are, in the tail: for distinct."""

    @cached_property
    def words(self) -> int:
        """Words per row."""
        return len(self.numbers) + len(self.scaled)

    def has_null(self, words: Sequence[int]) -> bool:
        """Whether a value is missing among one row's words."""
        return NAN_WORD in words[: len(self.numbers)] or NULL in words[len(self.numbers) :]


@dataclass(frozen=True)
class EntityLayout:
    """What the state of an entity of one kind keeps, so that every window of the view over it can be answered."""

    entity: str
    lookback: int
    """How far before an event the oldest window begins, microseconds."""
    events: StreamColumns
    labels: StreamColumns

    @cached_property
    def tag(self) -> str:
        """Eight digits that differ for another layout: states of two views live beside each other in one store."""
        return hashlib.sha256(f"{FORMAT} {self!r}".encode()).hexdigest()[:8]

    def key(self, value: object) -> str | None:
        """The state's key for one value of the entity's column; None when the value is missing."""
        if isinstance(value, float):
            value = None if isnan(value) else value + 0.0  # -0.0 is 0.0
        if value is None:
            return None
        return f"{self.entity}={value}@{self.tag}"

    @cached_property
    def event_width(self) -> int:
        """Words per event, superseded_at aside."""
        return EVENT_VALUES + self.events.words

    @cached_property
    def label_width(self) -> int:
        """Words per label."""
        return LABEL_VALUES + self.labels.words

    @cached_property
    def has_objects(self) -> bool:
        """Whether rows have values in the tail."""
        return bool(self.events.objects or self.labels.objects)


def entity_layouts(view: FeatureView) -> tuple[EntityLayout, ...]:
    """The layouts of the entities that have windows, in the order of their declaration."""
    return tuple(_layout(view, entity) for entity in dict.fromkeys(f.entity for f in view.window_features))


def empty_layout() -> EntityLayout:
    """The layout of the state that stands for every entity without one: it has no rows."""
    return EntityLayout("*", 0, StreamColumns(), StreamColumns())


def empty_key(view: FeatureView) -> str:
    """Key of the state that stands for every entity without one of its own."""
    tags = " ".join(layout.tag for layout in entity_layouts(view))
    return f"*@{hashlib.sha256(tags.encode()).hexdigest()[:8]}"


def _layout(view: FeatureView, entity: str) -> EntityLayout:
    features = [feature for feature in view.window_features if feature.entity == entity]
    lookback = max(feature.delay + max(feature.windows) for feature in features)
    return EntityLayout(
        entity, lookback // _MICROSECOND, _columns(view, entity, "events"), _columns(view, entity, "labels")
    )


def _columns(view: FeatureView, entity: str, stream: Stream) -> StreamColumns:
    numbers, scaled, objects = [], [], []
    for feature in view.window_features:
        if feature.entity != entity or feature.stream != stream or feature.column is None:
            continue
        if feature.aggregation in ("sum", "mean"):
            scaled.append((feature.column, feature.decimals))
        else:
            (objects if feature.aggregation == "distinct" else numbers).append(feature.column)
    return StreamColumns(
        tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(scaled)), tuple(dict.fromkeys(objects))
    )


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
    words: Sequence[bytes | memoryview],
    tail: Sequence[Sequence[object] | None] | None,
) -> bytes:
    """Join a state's parts; counts and latest known times are those of events and labels, words are in native order."""
    head = _HEADER.pack(FORMAT, flags, *counts, header.horizon, header.asked_until, *latest_known)
    pieces = [head, *words] if sys.byteorder == "little" else [head, swapped(b"".join(words))]
    if tail is not None:
        pieces.append(msgspec.msgpack.encode(tail))
    return b"".join(pieces)


def empty_state(horizon: int) -> bytes:
    """A state without rows."""
    none = (LONG_AGO, LONG_AGO)
    return pack_state(StateHeader(horizon), flags=0, counts=(0, 0), latest_known=none, words=[], tail=None)


def swapped(words: bytes | memoryview) -> bytes:
    """The 8-byte words in the other byte order."""
    block = array("q", bytes(words))
    block.byteswap()
    return block.tobytes()


class EntityState:
    """One state as it was read; nothing is copied until it is asked for.

    Raises: OnlineStoreError when the bytes are none of ours.
    """

    __slots__ = (
        "_content",
        "_tail_bytes",
        "asked_until",
        "doubles",
        "event_count",
        "event_width",
        "flags",
        "horizon",
        "label_base",
        "label_count",
        "latest_known",
        "latest_label_known",
        "layout",
        "raw",
        "words",
    )

    def __init__(self, layout: EntityLayout, content: bytes) -> None:
        if not content:
            content = _EMPTY
        if len(content) < _HEADER.size or content[0] != FORMAT:
            raise OnlineStoreError(
                f"state of {layout.entity}: {len(content)} bytes are not of format {FORMAT}: clear the store and load "
                "online_features again"
            )
        (
            _,
            self.flags,
            self.event_count,
            self.label_count,
            self.horizon,
            self.asked_until,
            self.latest_known,
            self.latest_label_known,
        ) = _HEADER.unpack_from(content)
        self.layout = layout
        self.event_width = layout.event_width + (1 if self.flags & HAS_VERSIONS else 0)
        self.label_base = self.event_width * self.event_count
        end = _HEADER.size + 8 * (self.label_base + layout.label_width * self.label_count)
        if len(content) < end:
            raise OnlineStoreError(
                f"state of {layout.entity}: {len(content)} bytes where {end} are needed: clear the store and load "
                "online_features again"
            )
        self._content = content
        block = memoryview(content)[_HEADER.size : end]
        self.raw = block if sys.byteorder == "little" else memoryview(swapped(block))
        self.words = self.raw.cast("q")
        self.doubles = self.raw.cast("d")
        self._tail_bytes = memoryview(content)[end:]

    def event_column(self, column: int) -> list[int]:
        """One word column of the events."""
        start = column * self.event_count
        return self.words[start : start + self.event_count].tolist()

    def label_column(self, column: int) -> list[int]:
        """One word column of the labels."""
        start = self.label_base + column * self.label_count
        return self.words[start : start + self.label_count].tolist()

    def superseded_at(self) -> list[int]:
        """Per event version when the next one became known."""
        if not self.flags & HAS_VERSIONS:
            return [NEVER] * self.event_count
        return self.event_column(self.event_width - 1)

    def tail(self) -> list[list]:
        """Text ids of the events, those of the labels, then the columns of objects of the events and of the labels."""
        objects = len(self.layout.events.objects) + len(self.layout.labels.objects)
        if not len(self._tail_bytes):
            return [[] for _ in range(2 + objects)]
        return msgspec.msgpack.decode(self._tail_bytes)

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
        if isinstance(event_id, int):
            return self._row_of(_ID.pack(event_id))
        ids = self.event_ids()
        return ids.index(event_id) if event_id in ids else None

    def _row_of(self, word: bytes) -> int | None:
        """First row with this id: bytes are searched tens of times faster than integers."""
        start = _HEADER.size + 8 * EVENT_ID * self.event_count
        end = start + 8 * self.event_count
        at = self._content.find(word, start, end)
        while at >= 0 and (at - start) % 8:
            at = self._content.find(word, at + 1, end)
        return None if at < 0 else (at - start) // 8


_EMPTY = empty_state(LONG_AGO)


@dataclass(frozen=True, slots=True)
class NewRow:
    """An event that a state does not hold yet."""

    time: int
    known_at: int
    event_id: int | str
    words: bytes
    """Id (0 for text), digest and values, each one word in native byte order."""
    has_null: bool
    objects: Sequence[object]


def with_row(state: EntityState, row: NewRow, *, lateness: int) -> bytes:
    """The state with one more event, without the rows that no window of an event reaches any more.

    Windows reach back from the entity's newest event less `lateness`; the horizon moves there when rows are dropped.
    """
    count, labels, words = state.event_count, state.label_count, state.words
    at = _position(state, row)
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


def _longer_words(
    state: EntityState, row: NewRow, *, at: int, drop: int, first_label: int
) -> list[bytes | memoryview]:
    raw, count, labels = state.raw, state.event_count, state.label_count
    never = struct.pack("=q", NEVER) if state.flags & HAS_VERSIONS else b""
    values = struct.pack("=qq", row.time, row.known_at) + row.words + never
    pieces: list[bytes | memoryview] = []
    start = 0
    for value in range(0, 8 * state.event_width, 8):
        end = start + 8 * count
        middle = start + 8 * at
        pieces += (raw[start + 8 * drop : middle], values[value : value + 8])
        if middle != end:
            pieces.append(raw[middle:end])
        start = end
    if not first_label:
        pieces.append(raw[start:])
        return pieces
    for column in range(state.layout.label_width):
        pieces.append(raw[start + 8 * (column * labels + first_label) : start + 8 * (column + 1) * labels])
    return pieces


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
