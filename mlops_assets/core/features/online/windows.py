"""Window features of one request from one entity's state, compiled once per view.

A group is what shares stream and delay: its windows end at the same row, so that they are nested slices of a column.
Where the event sees every row in its windows, which is nearly always, slices are read as they lie; otherwise the rows
that it sees are picked first, by the rules of `core/features/view.py`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from math import isnan
from typing import NamedTuple

from mlops_assets.core.features.online.entity_state import (
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_VERSIONS,
    EntityState,
)
from mlops_assets.core.features.online.layout import EVENT_KNOWN, LABEL_KNOWN, NULL
from mlops_assets.core.features.online.window_plan import ColumnCells, GroupPlan


class OwnValues(NamedTuple):
    """What the event itself would add to the windows of one entity; None is missing."""

    numbers: Sequence[float | None]
    scaled: Sequence[int | None]
    objects: Sequence[object]
    is_plain: bool
    """Whether no number is missing, and no scaled value missing or too large for plain totals."""


class Span:
    """The rows of one stream that the windows of a group see, oldest first: a slice of it, or those in `seen`."""

    __slots__ = ("_base", "_plan", "_seen", "_size", "_state", "has_nulls", "starts", "stop")

    def __init__(self, plan: GroupPlan, state: EntityState, starts: list[int], stop: int) -> None:
        self._plan, self._state, self._seen = plan, state, None
        if plan.is_labels:
            self._base, self._size = state.label_base, state.label_count
        else:
            self._base, self._size = 0, state.event_count
        self.has_nulls = state.flags & HAS_NULLS
        self.starts, self.stop = starts, stop
        """Per window of the group, shortest first, the position of its oldest row; then the one behind the newest."""

    def look_at(self, seen: list[int]) -> None:
        """See only these rows from now on; positions are those among them."""
        self.starts = [bisect_left(seen, start) for start in self.starts]
        self.stop, self._seen = len(seen), seen

    def counts_and_totals(self, word: int) -> tuple[list[int], list[int]]:
        """Per window how many values of a column of totals there are, and their sum."""
        state, stop = self._state, self.stop
        if self._seen is None and not self.has_nulls:
            words, before = state.words, self._base + word * self._size - 1
            end = words[before + stop] if stop else 0
            sums = [end - words[before + start] if start else end for start in self.starts]
            return [stop - start for start in self.starts], sums
        column = (state.label_column if self._plan.is_labels else state.event_column)(word)
        values = column if self._seen is None else [column[row] for row in self._seen]
        counts, totals, count, total = [], [], 0, 0
        for start in self.starts:
            part = [value for value in values[start:stop] if value != NULL]
            count, total, stop = count + len(part), total + sum(part), start
            counts.append(count)
            totals.append(total)
        return counts, totals

    def numbers(self, word: int, start: int, stop: int) -> Sequence[float]:
        """The values of a Float64 column between two positions that are not missing."""
        first, doubles = self._base + word * self._size, self._state.doubles
        if self._seen is None:
            values = doubles[first + start : first + stop]
        else:
            values = [doubles[first + row] for row in self._seen[start:stop]]
        return [value for value in values if not isnan(value)] if self.has_nulls else values

    def objects(self, column: int) -> list[object]:
        """A column of objects."""
        values = self._state.tail()[self._plan.objects_from + column]
        return values if self._seen is None else [values[row] for row in self._seen]


_VERSIONS = HAS_VERSIONS | HAS_LABEL_VERSIONS
Aggregate = Callable[[Span, OwnValues, list[float | None]], None]
"""Writes the values of the features that share one column into the list of all window features."""


class EntityWindows:
    """All asked window features over one entity."""

    __slots__ = ("_groups",)

    def __init__(self, plans: Sequence[GroupPlan]) -> None:
        self._groups = [(plan, [_MAKERS[column.kind](column) for column in plan.columns]) for plan in plans]

    def answer(self, state: EntityState, time: int, own: OwnValues, values: list[float | None]) -> None:
        """Write the features of an event at `time` into their places in `values`."""
        words, sees_state = state.words, _sees_state(state, time)
        for plan, aggregates in self._groups:
            base, size = (state.label_base, state.label_count) if plan.is_labels else (0, state.event_count)
            end = time - plan.delay
            start = stop = bisect_left(words, end, base, base + size)
            starts = []
            for window in plan.windows:
                start = bisect_right(words, end - window, base, start)
                starts.append(start - base)
            span = Span(plan, state, starts, stop - base)
            if not sees_state and not _sees_windows(plan, state, time):
                pick = _seen_labels if plan.is_labels else _seen_events
                span.look_at(pick(state, time, start - base, stop - base))
            for aggregate in aggregates:
                aggregate(span, own, values)


def _sees_state(state: EntityState, time: int) -> bool:
    """Whether an event at `time` sees every row of the state that lies before it."""
    return state.latest_known < time and state.latest_label_known < time and not state.flags & _VERSIONS


def _sees_windows(plan: GroupPlan, state: EntityState, time: int) -> bool:
    """Whether an event at `time` sees every row in the group's windows."""
    if state.flags & _VERSIONS:
        return False
    end = time - plan.delay
    start = end - plan.windows[-1]
    if state.latest_known >= time and not _all_known(state, time, after=start, before=end):
        return False
    if not plan.is_labels or state.latest_label_known < time:
        return True
    return _all_labels_known(state, time, after=start, before=end)


def _all_known(state: EntityState, time: int, *, after: int, before: int) -> bool:
    """Whether every event between two times was known before `time`."""
    words, count = state.words, state.event_count
    start = bisect_right(words, after, 0, count)
    stop = bisect_left(words, before, start, count)
    known = words[EVENT_KNOWN * count + start : EVENT_KNOWN * count + stop]
    return max(known, default=time - 1) < time


def _all_labels_known(state: EntityState, time: int, *, after: int, before: int) -> bool:
    """Whether the labels of events between two times were known before `time`."""
    words, base, count = state.words, state.label_base, state.label_count
    start = bisect_right(words, after, base, base + count)
    stop = bisect_left(words, before, start, base + count)
    known = words[LABEL_KNOWN * count + start : LABEL_KNOWN * count + stop]
    return max(known, default=time - 1) < time


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


def _rows(column: ColumnCells) -> Aggregate:
    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        starts, stop = span.starts, span.stop
        for cell in column.cells:
            values[cell.place] = float(stop - starts[cell.window] + cell.includes_current)

    return aggregate


def _count(column: ColumnCells) -> Aggregate:
    position, word, takes_current = column.position, column.word, column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        starts, stop = span.starts, span.stop
        current = 1 if takes_current and own.numbers[position] is not None else 0
        for cell in column.cells:
            start = starts[cell.window]
            count = len(span.numbers(word, start, stop)) if span.has_nulls else stop - start
            values[cell.place] = float(count + (current if cell.includes_current else 0))

    return aggregate


def _total(column: ColumnCells) -> Aggregate:
    """Sums and means of scaled integers."""
    position, word, takes_current = column.position, column.word, column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        counts, totals = span.counts_and_totals(word)
        current = own.scaled[position] if takes_current else None
        for cell in column.cells:
            count, total = counts[cell.window], totals[cell.window]
            if current is not None and cell.includes_current:
                count, total = count + 1, total + current
            if not count:
                values[cell.place] = cell.when_empty
            else:
                # Not total / divisor: of two integers Python rounds once, the definition rounds each to Float64 first.
                divisor = cell.divisor * count if cell.is_mean else cell.divisor
                values[cell.place] = float(total) / float(divisor)

    return aggregate


def _picked(pick: Callable[[float | None, Sequence[float]], float]) -> Callable[[ColumnCells], Aggregate]:
    """One of the values: `pick` gets that of the next shorter window, and the older values, oldest first."""

    def make(column: ColumnCells) -> Aggregate:
        position, word, takes_current = column.position, column.word, column.takes_current
        of_window = [
            (window, [cell for cell in column.cells if cell.window == window]) for window in column.windows
        ]

        def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
            current = own.numbers[position] if takes_current else None
            starts, before, top = span.starts, span.stop, None
            for window, cells in of_window:
                start = starts[window]
                if start < before and (older := span.numbers(word, start, before)):
                    top = pick(top, older)
                before = start
                for cell in cells:
                    value = top
                    if current is not None and cell.includes_current:
                        value = current if top is None else pick(current, (top,))
                    values[cell.place] = cell.when_empty if value is None else value

        return aggregate

    return make


def _smallest(top: float | None, older: Sequence[float]) -> float:
    found = min(older)
    return found if top is None or found < top else top


def _largest(top: float | None, older: Sequence[float]) -> float:
    found = max(older)
    return found if top is None or found > top else top


def _newest(top: float | None, older: Sequence[float]) -> float:
    return older[-1] if top is None else top


def _distinct(column: ColumnCells) -> Aggregate:
    position, takes_current = column.position, column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        objects = span.objects(position)
        current = own.objects[position] if takes_current else None
        for cell in column.cells:
            different = set(objects[span.starts[cell.window] : span.stop])
            if cell.includes_current:
                different.add(current)
            different.discard(None)
            values[cell.place] = float(len(different))

    return aggregate


_MAKERS: dict[str, Callable[[ColumnCells], Aggregate]] = {
    "rows": _rows,
    "count": _count,
    "total": _total,
    "min": _picked(_smallest),
    "max": _picked(_largest),
    "last": _picked(_newest),
    "distinct": _distinct,
}
