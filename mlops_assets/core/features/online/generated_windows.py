"""Window features of one request from a plain state, in generated straight-line code: one function per entity.

A state is plain for an event that sees every row in its windows, when it has one version of each row and no missing
values. What such a function gives is, to the last bit, what `online/windows.py` gives by looking at each row's times.

For one group, windows of 1 and 7 days over events, with a count and a mean of one column, the function reads

    def plain_windows(state, time, own, values):
        words = state.words
        size, first = state.event_count, 0
        stop = bisect_left(words, time - 0, first, first + size)
        start_0 = bisect_right(words, time - 86400000000, first, stop)
        start_1 = bisect_right(words, time - 604800000000, first, start_0)
        values[3] = float(stop - start_0 + 1)
        at = 5 * size
        end = words[at + stop - 1] if stop > first else 0
        total_0 = end - words[at + start_0 - 1] if start_0 > first else end
        total_1 = end - words[at + start_1 - 1] if start_1 > first else end
        ...
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlops_assets.core.features.online.entity_state import EntityState
from mlops_assets.core.features.online.generated_function import GeneratedFunction
from mlops_assets.core.features.online.window_plan import ColumnCells, GroupPlan, WindowCell


class OwnValues(NamedTuple):
    """What the event itself would add to the windows of one entity; None is missing."""

    numbers: Sequence[float | None]
    scaled: Sequence[int | None]
    objects: Sequence[object]
    is_plain: bool
    """Whether no number is missing, and no scaled value missing or too large for plain totals."""


PlainWindows = Callable[[EntityState, int, OwnValues, list[float | None]], None]
"""From a plain state, the event's time and its own values to the places of the list of all features."""


def plain_windows(plans: Sequence[GroupPlan]) -> PlainWindows:
    """Generate the function that answers the groups of one entity in a plain state."""
    code = GeneratedFunction("plain_windows", ("state", "time", "own", "values"))
    code.write("words = state.words")
    columns = [column for plan in plans for column in plan.columns]
    if any(column.kind in ("min", "max", "last") for column in columns):
        code.write("numbers = state.doubles")
    for plan in plans:
        _write_group(code, plan)
    return code.compiled()


def _write_group(code: GeneratedFunction, plan: GroupPlan) -> None:
    left, right = code.name(bisect_left), code.name(bisect_right)
    if plan.is_labels:
        code.write("size, first = state.label_count, state.label_base")
    else:
        code.write("size, first = state.event_count, 0")
    code.write(f"stop = {left}(words, time - {plan.delay}, first, first + size)")
    before = "stop"
    for window, length in enumerate(plan.windows):
        code.write(f"start_{window} = {right}(words, time - {plan.delay + length}, first, {before})")
        before = f"start_{window}"
    for column in plan.columns:
        _WRITERS[column.kind](code, plan, column)


def _write_counts(code: GeneratedFunction, _plan: GroupPlan, column: ColumnCells) -> None:
    """Rows, or values of a column, none of which is missing but perhaps the event's own."""
    if column.takes_current:
        own = "1" if column.kind == "rows" else f"own.numbers[{column.position}] is not None"
        code.write(f"current = {own}")
    for cell in column.cells:
        added = " + current" if cell.includes_current else ""
        code.write(f"values[{cell.place}] = float(stop - start_{cell.window}{added})")


def _write_totals(code: GeneratedFunction, _plan: GroupPlan, column: ColumnCells) -> None:
    """Sums and means: differences of running totals."""
    code.write(f"at = {column.word} * size")
    if column.takes_current:
        code.write(
            f"current = own.scaled[{column.position}]",
            "added, current = (0, 0) if current is None else (1, current)",
        )
    code.write("end = words[at + stop - 1] if stop > first else 0")
    for window in column.windows:
        start = f"start_{window}"
        code.write(f"total_{window} = end - words[at + {start} - 1] if {start} > first else end")
    for cell in column.cells:
        # Not total / divisor: of two integers Python rounds once, the definition rounds each to Float64 first.
        total, count = f"total_{cell.window}", f"stop - start_{cell.window}"
        if cell.includes_current:
            total, count = f"{total} + current", f"{count} + added"
        divisor = f"float({cell.divisor} * count)" if cell.is_mean else f"{float(cell.divisor)}"
        code.write(
            f"count = {count}",
            f"values[{cell.place}] = float({total}) / {divisor} if count else {_empty(code, cell)}",
        )


def _write_extremes(code: GeneratedFunction, _plan: GroupPlan, column: ColumnCells) -> None:
    """Minimum or maximum: each value is compared once, the windows being nested."""
    code.write(f"at = {column.word} * size")
    if column.takes_current:
        code.write(f"current = own.numbers[{column.position}]")
    better, before, top = "<" if column.kind == "min" else ">", "stop", "None"
    for window in column.windows:
        part = f"numbers[at + start_{window} : at + {before}]"
        code.write(f"top_{window} = {column.kind}({part}) if start_{window} < {before} else {top}")
        if top != "None":
            code.write(f"if {top} is not None and {top} {better} top_{window}: top_{window} = {top}")
        before, top = f"start_{window}", f"top_{window}"
    for cell in column.cells:
        code.write(f"top = top_{cell.window}")
        if cell.includes_current:
            code.write(f"if current is not None and (top is None or current {better} top): top = current")
        _write_or_empty(code, cell)


def _write_last(code: GeneratedFunction, _plan: GroupPlan, column: ColumnCells) -> None:
    """The newest value, which is the same for all windows that have one."""
    code.write(f"newest = {column.word} * size + stop - 1")
    for cell in column.cells:
        code.write(f"top = numbers[newest] if stop > start_{cell.window} else None")
        if cell.includes_current:
            code.write(
                f"current = own.numbers[{column.position}]", "top = top if current is None else current"
            )
        _write_or_empty(code, cell)


def _write_distinct(code: GeneratedFunction, plan: GroupPlan, column: ColumnCells) -> None:
    code.write(f"objects = state.tail()[{plan.objects_from + column.position}]")
    for cell in column.cells:
        code.write(f"different = set(objects[start_{cell.window} - first : stop - first])")
        if cell.includes_current:
            code.write(f"different.add(own.objects[{column.position}])")
        code.write("different.discard(None)", f"values[{cell.place}] = float(len(different))")


def _write_or_empty(code: GeneratedFunction, cell: WindowCell) -> None:
    empty = "top" if cell.when_empty is None else f"{_empty(code, cell)} if top is None else top"
    code.write(f"values[{cell.place}] = {empty}")


def _empty(code: GeneratedFunction, cell: WindowCell) -> str:
    return "None" if cell.when_empty is None else code.name(cell.when_empty)


_WRITERS: dict[str, Callable[[GeneratedFunction, GroupPlan, ColumnCells], None]] = {
    "rows": _write_counts,
    "count": _write_counts,
    "total": _write_totals,
    "min": _write_extremes,
    "max": _write_extremes,
    "last": _write_last,
    "distinct": _write_distinct,
}
