"""Window features of one request from one entity's state, compiled once per view.

A group is what shares stream and delay: its windows end at the same row, so that they are nested slices of a column.
Where the event sees every row in its windows and the state has one version of each and no missing values, which is
nearly always, a generated function answers (`online/generated_windows.py`). All other states are answered here: a
slice is read as it lies where the event sees all of it; otherwise the rows that it sees are picked first, by the rules
of `features/view.py`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from math import isnan

from mlops_assets.core.features.online.entity_state import (
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_VERSIONS,
    EntityState,
)
from mlops_assets.core.features.online.generated_windows import OwnValues, plain_windows
from mlops_assets.core.features.online.layout import EVENT_KNOWN, LABEL_KNOWN, NULL
from mlops_assets.core.features.online.window_plan import ColumnCells, GroupPlan


class Span:
    """The rows of one stream that the longest window of a group sees, oldest first."""

    __slots__ = (
        "_base",
        "_is_labels",
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
        self, state: EntityState, plan: GroupPlan, *, start: int, stop: int, seen: list[int] | None
    ) -> None:
        self._state, self._start, self._stop, self._seen = state, start, stop, seen
        self._base, self._size = (
            (state.label_base, state.label_count) if plan.is_labels else (0, state.event_count)
        )
        self._is_labels, self._objects_from = plan.is_labels, plan.objects_from
        self.nullable = bool(state.flags & HAS_NULLS)
        self.length = stop - start if seen is None else len(seen)
        self.starts: list[int] = []
        """Per window of the group, shortest first, the position of its oldest row in the span."""

    def integers(self, column: int) -> list[int]:
        """The values of a column of totals."""
        state = self._state
        values = (state.label_column if self._is_labels else state.event_column)(column)
        return values[self._start : self._stop] if self._seen is None else [values[i] for i in self._seen]

    def numbers(self, column: int) -> list[float]:
        """A Float64 column's values."""
        first, words = self._base + column * self._size, self._state.doubles
        if self._seen is None:
            return [*words[first + self._start : first + self._stop]]
        return [words[first + i] for i in self._seen]

    def objects(self, column: int) -> list[object]:
        """A column of objects."""
        values = self._state.tail()[self._objects_from + column]
        return values[self._start : self._stop] if self._seen is None else [values[i] for i in self._seen]


_NOT_PLAIN = HAS_NULLS | HAS_VERSIONS | HAS_LABEL_VERSIONS
Aggregate = Callable[[Span, OwnValues, list[float | None]], None]
"""Writes the values of the features that share one column into the list of all window features."""


class EntityWindows:
    """All asked window features over one entity."""

    __slots__ = ("_groups", "_plain", "_plans")

    def __init__(self, plans: Sequence[GroupPlan]) -> None:
        self._plans = plans
        self._plain = plain_windows(plans)
        self._groups = tuple(_WindowGroup(plan) for plan in plans)

    def answer(self, state: EntityState, time: int, own: OwnValues, values: list[float | None]) -> None:
        """Write the features of an event at `time` into their places in `values`."""
        if not state.flags & _NOT_PLAIN and (
            (state.latest_known < time and state.latest_label_known < time)
            or all(_sees_all(plan, state, time) for plan in self._plans)
        ):
            self._plain(state, time, own, values)
        else:
            self.answer_seen(state, time, own, values)

    def answer_seen(self, state: EntityState, time: int, own: OwnValues, values: list[float | None]) -> None:
        """Do so in any state, by looking at what the event sees."""
        for group in self._groups:
            group.answer(state, time, own, values)


class _WindowGroup:
    """The asked window features over one entity that share stream and delay."""

    __slots__ = ("_aggregates", "_plan")

    def __init__(self, plan: GroupPlan) -> None:
        self._plan = plan
        self._aggregates = tuple(_MAKERS[column.kind](column) for column in plan.columns)

    def answer(self, state: EntityState, time: int, own: OwnValues, values: list[float | None]) -> None:
        """Write the features of an event at `time` into their places in `values`."""
        plan, words = self._plan, state.words
        end = time - plan.delay
        base = state.label_base if plan.is_labels else 0
        size = state.label_count if plan.is_labels else state.event_count
        start = stop = bisect_left(words, end, base, base + size)
        starts = []
        for window in plan.windows:
            start = bisect_right(words, end - window, base, start)
            starts.append(start - base)
        start, stop = start - base, stop - base
        if _sees_all(plan, state, time):
            span = Span(state, plan, start=start, stop=stop, seen=None)
            span.starts = [at - start for at in starts]
        else:
            pick = _seen_labels if plan.is_labels else _seen_events
            seen = pick(state, time, start, stop)
            span = Span(state, plan, start=start, stop=stop, seen=seen)
            span.starts = [bisect_left(seen, at) for at in starts]
        for aggregate in self._aggregates:
            aggregate(span, own, values)


def _sees_all(plan: GroupPlan, state: EntityState, time: int) -> bool:
    """Whether an event at `time` sees every row in the group's windows."""
    if state.flags & (HAS_VERSIONS | HAS_LABEL_VERSIONS):
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
        for cell in column.cells:
            values[cell.place] = float(span.length - span.starts[cell.window] + cell.includes_current)

    return aggregate


def _count(column: ColumnCells) -> Aggregate:
    position, takes_current = column.position, column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        numbers = span.numbers(column.word) if span.nullable else None
        current = 1 if takes_current and own.numbers[position] is not None else 0
        for cell in column.cells:
            start = span.starts[cell.window]
            count = span.length - start
            if numbers is not None:
                count -= sum(map(isnan, numbers[start:]))
            values[cell.place] = float(count + (current if cell.includes_current else 0))

    return aggregate


def _total(column: ColumnCells) -> Aggregate:
    """Sums and means: one pass over the longest slice, the windows being nested in it."""
    windows, takes_current = column.windows, column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        scaled = span.integers(column.word)
        of_window: dict[int, tuple[int, int]] = {}
        count, total, stop = 0, 0, span.length
        for window in windows:
            start = span.starts[window]
            part = scaled[start:stop]
            if span.nullable:
                part = [value for value in part if value != NULL]
            count, total, stop = count + len(part), total + sum(part), start
            of_window[window] = count, total
        current = own.scaled[column.position] if takes_current else None
        for cell in column.cells:
            count, total = of_window[cell.window]
            if cell.includes_current and current is not None:
                count, total = count + 1, total + current
            if not count:
                values[cell.place] = cell.when_empty
            else:
                # Not total / divisor: of two integers Python rounds once, the definition rounds each to Float64 first.
                divisor = cell.divisor * count if cell.is_mean else cell.divisor
                values[cell.place] = float(total) / float(divisor)

    return aggregate


def _extreme(pick: Callable[[Sequence[float]], float]) -> Callable[[ColumnCells], Aggregate]:
    def make(column: ColumnCells) -> Aggregate:
        takes_current = column.takes_current

        def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
            numbers = span.numbers(column.word)
            current = own.numbers[column.position] if takes_current else None
            for cell in column.cells:
                part = numbers[span.starts[cell.window] :]
                if span.nullable:
                    part = [value for value in part if not isnan(value)]
                if cell.includes_current and current is not None:
                    part.append(current)
                values[cell.place] = pick(part) if part else cell.when_empty

        return aggregate

    return make


def _newest(values: Sequence[float]) -> float:
    return values[-1]


def _distinct(column: ColumnCells) -> Aggregate:
    takes_current = column.takes_current

    def aggregate(span: Span, own: OwnValues, values: list[float | None]) -> None:
        objects = span.objects(column.position)
        current = own.objects[column.position] if takes_current else None
        for cell in column.cells:
            different = set(objects[span.starts[cell.window] :])
            if cell.includes_current:
                different.add(current)
            different.discard(None)
            values[cell.place] = float(len(different))

    return aggregate


_MAKERS: dict[str, Callable[[ColumnCells], Aggregate]] = {
    "rows": _rows,
    "count": _count,
    "total": _total,
    "min": _extreme(min),
    "max": _extreme(max),
    "last": _extreme(_newest),
    "distinct": _distinct,
}
