"""Window features of one request from one entity's state, compiled once per view.

A group is what shares stream and delay: its windows end at the same row, so that they are nested slices of a column.
Where every row is known, in its only version and without missing values, a slice is read as it lies; otherwise the
rows that the event sees are picked first, by the rules of `feature_view`. What must not live here: the bytes of a state
(`online_layout`), row features (`online_expressions`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from typing import Any

from mlops_assets.core.entity_state import (
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_VERSIONS,
    EntityState,
)
from mlops_assets.core.feature_view import FeatureView, WindowFeature
from mlops_assets.core.online_layout import (
    EVENT_KNOWN,
    EVENT_VALUES,
    LABEL_KNOWN,
    LABEL_VALUES,
    NULL,
    EntityLayout,
    StreamColumns,
)

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OwnValues:
    """What the event itself would add to the windows of one entity; None is missing."""

    numbers: Sequence[float | None]
    scaled: Sequence[int | None]
    objects: Sequence[object]


class Span:
    """The rows of one stream that the longest window of a group sees, oldest first."""

    __slots__ = (
        "_base",
        "_objects_from",
        "_seen",
        "_size",
        "_start",
        "_state",
        "_stop",
        "length",
        "nullable",
        "starts",
    )

    def __init__(
        self, state: EntityState, *, is_labels: bool, start: int, stop: int, seen: list[int] | None
    ) -> None:
        self._state, self._start, self._stop, self._seen = state, start, stop, seen
        self._base, self._size = (
            (state.label_base, state.label_count) if is_labels else (0, state.event_count)
        )
        self._objects_from = 2 + (len(state.layout.events.objects) if is_labels else 0)
        self.nullable = bool(state.flags & HAS_NULLS)
        self.length = stop - start if seen is None else len(seen)
        self.starts: list[int] = []
        """Per window of the group, shortest first, the position of its oldest row in the span."""

    def integers(self, column: int) -> list[int]:
        """A word column's values."""
        return self._cut(self._state.words, column)

    def numbers(self, column: int) -> list[float]:
        """A Float64 column's values."""
        return self._cut(self._state.doubles, column)

    def objects(self, column: int) -> list[object]:
        """A column of objects."""
        values = self._state.tail()[self._objects_from + column]
        return values[self._start : self._stop] if self._seen is None else [values[i] for i in self._seen]

    def _cut(self, words: "memoryview[Any]", column: int) -> list[Any]:
        first = self._base + column * self._size
        if self._seen is None:
            return words[first + self._start : first + self._stop].tolist()
        values = words[first : first + self._size].tolist()
        return [values[i] for i in self._seen]


Aggregate = Callable[[Span, OwnValues, list[float | None]], None]
"""Writes the values of the features that share one column into the list of all window features."""


@dataclass(frozen=True)
class WindowGroup:
    """The asked window features over one entity that share stream and delay."""

    is_labels: bool
    delay: int
    windows: tuple[int, ...]
    """Lengths in microseconds, shortest first."""
    aggregates: tuple[Aggregate, ...]

    def answer(self, state: EntityState, time: int, own: OwnValues, values: list[float | None]) -> None:
        """Write the features of an event at `time` into their places in `values`."""
        end = time - self.delay
        base = state.label_base if self.is_labels else 0
        size = state.label_count if self.is_labels else state.event_count
        words = state.words
        start = stop = bisect_left(words, end, base, base + size)
        starts = []
        for window in self.windows:
            start = bisect_right(words, end - window, base, start)
            starts.append(start - base)
        start, stop = start - base, stop - base
        if self._is_plain(state, time, start, stop):
            span = Span(state, is_labels=self.is_labels, start=start, stop=stop, seen=None)
            span.starts = [at - start for at in starts]
        else:
            pick = _seen_labels if self.is_labels else _seen_events
            seen = pick(state, time, start, stop)
            span = Span(state, is_labels=self.is_labels, start=start, stop=stop, seen=seen)
            span.starts = [bisect_left(seen, at) for at in starts]
        for aggregate in self.aggregates:
            aggregate(span, own, values)

    def _is_plain(self, state: EntityState, time: int, start: int, stop: int) -> bool:
        """Whether the event sees every row between `start` and `stop`."""
        if state.flags & (HAS_VERSIONS | HAS_LABEL_VERSIONS):
            return False
        end = time - self.delay
        if state.latest_known >= time and not _all_known(
            state, time, after=end - self.windows[-1], before=end
        ):
            return False
        if not self.is_labels or state.latest_label_known < time:
            return True
        return _all_labels_known(state, time, start=start, stop=stop)


def _all_known(state: EntityState, time: int, *, after: int, before: int) -> bool:
    """Whether every event between two times was known before `time`."""
    words, count = state.words, state.event_count
    start = bisect_right(words, after, 0, count)
    stop = bisect_left(words, before, start, count)
    known = words[EVENT_KNOWN * count + start : EVENT_KNOWN * count + stop].tolist()
    return max(known, default=time - 1) < time


def _all_labels_known(state: EntityState, time: int, *, start: int, stop: int) -> bool:
    """Whether the labels of these rows were known before `time`."""
    base = state.label_base + LABEL_KNOWN * state.label_count
    return max(state.words[base + start : base + stop].tolist(), default=time - 1) < time


def _seen_events(state: EntityState, time: int, start: int, stop: int) -> list[int]:
    known = state.event_column(EVENT_KNOWN)
    if not state.flags & HAS_VERSIONS:
        return [row for row in range(start, stop) if known[row] < time]
    superseded = state.superseded_at()
    return [row for row in range(start, stop) if known[row] < time <= superseded[row]]


def _seen_labels(state: EntityState, time: int, start: int, stop: int) -> list[int]:
    """The newest known version of each label whose event is seen as one of this entity."""
    known, ids = state.label_column(LABEL_KNOWN), state.label_ids()
    event_ids = state.event_ids()
    events = {event_ids[row] for row in _seen_events(state, time, 0, state.event_count)}
    seen = [row for row in range(start, stop) if known[row] < time and ids[row] in events]
    if not state.flags & HAS_LABEL_VERSIONS:
        return seen
    newest = {ids[row]: row for row in seen}
    return sorted(newest.values())


def window_groups(view: FeatureView, layout: EntityLayout, places: dict[str, int]) -> tuple[WindowGroup, ...]:
    """The groups of an entity that the features in `places` need; a feature's value is written to its place."""
    grouped: dict[tuple[str, timedelta], list[WindowFeature]] = {}
    for feature in view.window_features:
        if feature.entity == layout.entity and any(
            feature.feature_name(w) in places for w in feature.windows
        ):
            grouped.setdefault((feature.stream, feature.delay), []).append(feature)
    return tuple(_group(features, layout, places) for features in grouped.values())


def _group(features: list[WindowFeature], layout: EntityLayout, places: dict[str, int]) -> WindowGroup:
    is_labels = features[0].stream == "labels"
    windows = sorted({w for f in features for w in f.windows if f.feature_name(w) in places})
    columns = layout.labels if is_labels else layout.events
    first = LABEL_VALUES if is_labels else EVENT_VALUES
    by_column: dict[tuple[str, str | None, int], list[WindowFeature]] = {}
    for feature in features:
        by_column.setdefault(_shared(feature), []).append(feature)
    aggregates = [
        _MAKERS[kind](
            _position(columns, kind, column, decimals),
            first,
            [
                _Cell(f, windows.index(w), places[f.feature_name(w)])
                for f in of_column
                for w in f.windows
                if f.feature_name(w) in places
            ],
            columns,
        )
        for (kind, column, decimals), of_column in by_column.items()
    ]
    lengths = tuple(window // _MICROSECOND for window in windows)
    return WindowGroup(is_labels, features[0].delay // _MICROSECOND, lengths, tuple(aggregates))


def _shared(feature: WindowFeature) -> tuple[str, str | None, int]:
    """Features with the same of this are computed in one pass."""
    if feature.aggregation == "count":
        return ("rows" if feature.column is None else "count", feature.column, 0)
    if feature.aggregation in ("sum", "mean"):
        return ("total", feature.column, feature.decimals)
    return (feature.aggregation, feature.column, 0)


def _position(columns: StreamColumns, kind: str, column: str | None, decimals: int) -> int:
    if column is None:
        return 0
    if kind == "total":
        return columns.scaled.index((column, decimals))
    return (columns.objects if kind == "distinct" else columns.numbers).index(column)


class _Cell:
    """One feature of one window: which slice it aggregates and where its value belongs."""

    __slots__ = ("divisor", "includes_current", "is_mean", "place", "when_empty", "window")

    def __init__(self, feature: WindowFeature, window: int, place: int) -> None:
        self.window, self.place = window, place
        self.includes_current, self.when_empty = feature.includes_current, feature.when_empty
        self.is_mean, self.divisor = feature.aggregation == "mean", 10**feature.decimals
        if self.when_empty is not None:
            self.when_empty = float(self.when_empty)


def _takes_current(cells: list[_Cell]) -> bool:
    """Whether the event's own values, which are those of the events' columns, are looked at."""
    return any(cell.includes_current for cell in cells)


def _rows(_position: int, _first: int, cells: list[_Cell], _columns: StreamColumns) -> Aggregate:
    plain = [(cell.window, cell.place, 1 if cell.includes_current else 0) for cell in cells]

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        length, starts = span.length, span.starts
        for window, place, current in plain:
            values[place] = float(length - starts[window] + current)

    return aggregate


def _count(position: int, first: int, cells: list[_Cell], _columns: StreamColumns) -> Aggregate:
    takes_current = _takes_current(cells)

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        column = span.numbers(first + position) if span.nullable else None
        current = 1 if takes_current and own.numbers[position] is not None else 0
        for cell in cells:
            start = span.starts[cell.window]
            count = span.length - start
            if column is not None:
                count -= sum(map(isnan, column[start:]))
            values[cell.place] = float(count + (current if cell.includes_current else 0))

    return aggregate


def _total(position: int, first: int, cells: list[_Cell], columns: StreamColumns) -> Aggregate:
    """Sums and means: one pass over the longest slice, the windows being nested in it."""
    word = first + len(columns.numbers) + position
    used = sorted({cell.window for cell in cells})
    plain = [
        (used.index(c.window), c.place, c.includes_current, c.is_mean, c.divisor, c.when_empty) for c in cells
    ]
    takes_current = _takes_current(cells)

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        column = span.integers(word)
        counts, totals, count, total, stop = [], [], 0, 0, span.length
        for window in used:
            start = span.starts[window]
            part = column[start:stop]
            if span.nullable:
                part = [value for value in part if value != NULL]
            count, total, stop = count + len(part), total + sum(part), start
            counts.append(count)
            totals.append(total)
        current = own.scaled[position] if takes_current else None
        for at, place, includes_current, is_mean, divisor, when_empty in plain:
            count, total = counts[at], totals[at]
            if includes_current and current is not None:
                count, total = count + 1, total + current
            if not count:
                values[place] = when_empty
            else:
                # Not total / divisor: of two integers Python rounds once, the definition rounds each to Float64 first.
                values[place] = float(total) / float(divisor * count if is_mean else divisor)

    return aggregate


def _extreme(pick: Callable[[Sequence[float]], float]) -> Callable[..., Aggregate]:
    def make(position: int, first: int, cells: list[_Cell], _columns: StreamColumns) -> Aggregate:
        takes_current = _takes_current(cells)

        def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
            column = span.numbers(first + position)
            current = own.numbers[position] if takes_current else None
            for cell in cells:
                part = column[span.starts[cell.window] :]
                if span.nullable:
                    part = [value for value in part if not isnan(value)]
                if cell.includes_current and current is not None:
                    part.append(current)
                values[cell.place] = pick(part) if part else cell.when_empty

        return aggregate

    return make


def _newest(values: Sequence[float]) -> float:
    return values[-1]


def _distinct(position: int, _first: int, cells: list[_Cell], _columns: StreamColumns) -> Aggregate:
    takes_current = _takes_current(cells)

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        column = span.objects(position)
        current = own.objects[position] if takes_current else None
        for cell in cells:
            different = set(column[span.starts[cell.window] :])
            if cell.includes_current:
                different.add(current)
            different.discard(None)
            values[cell.place] = float(len(different))

    return aggregate


_MAKERS: dict[str, Callable[..., Aggregate]] = {
    "rows": _rows,
    "count": _count,
    "total": _total,
    "min": _extreme(min),
    "max": _extreme(max),
    "last": _extreme(_newest),
    "distinct": _distinct,
}
