"""The picture of one number over the windows: interval, limit, and a point per window that leads to its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TypeVar

from markupsafe import Markup

from mlops_assets.core.monitoring.finding import State
from mlops_assets.core.monitoring.pages.markup import NOTHING, counted, fill, joined, number
from mlops_assets.core.monitoring.pages.plot import Plot

MOST_POINTS = 190
"""Of a picture: half a year of days. Of more windows each point stands for several, the worst of them."""
_FARTHEST_LIMIT = 4.0
"""Times the largest value that a limit may be and still be drawn: beyond it the values would be a flat line."""
_WORST: dict[State, int] = {"alarm": 2, "inconclusive": 1, "ok": 0}
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class WindowPoint:
    """One number of one window."""

    day: date
    state: State
    value: float | None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    """At which it alarms, on the side on which the value lies."""
    expected: float | None = None
    has_page: bool = True


def series_figure(
    title: str,
    points: Sequence[WindowPoint],
    *,
    days: tuple[date, date],
    beside: Sequence[WindowPoint] = (),
    beside_title: str = "",
) -> Markup:
    """Return the picture of a number over windows, with a caption that says where it stands.

    title: of the number. points: by day. days: first and last of the axis, the same in all pictures of a page. beside:
    another number of the same unit, drawn as a dotted line. beside_title: what that is.
    """
    shown = worst_of_each(points, MOST_POINTS)
    known = [point for point in shown if point.value is not None]
    heading = fill("<h3>{title}</h3>", title=title)
    if not known:
        return fill("<section>{heading}<p>No window has a value.</p></section>", heading=heading)
    other = [point for point in worst_of_each(beside, MOST_POINTS) if point.value is not None]
    plot = Plot((days[0].toordinal(), days[1].toordinal()), _ends([*known, *other]))
    words = _words(points, plot)
    parts = [
        plot.y_axis(),
        _band(plot, known),
        _steps(plot, known),
        _line(plot, other, "other"),
        _line(plot, known, "line"),
        joined(*(_point(plot, point) for point in known)),
        plot.x_axis(_dates(days)),
    ]
    note = f" {beside_title} is the dotted line." if other else ""
    return fill(
        "<section>{heading}<figure>{picture}<figcaption>{words}{note}</figcaption></figure></section>",
        heading=heading,
        picture=plot.svg(f"{title} over time. {words}", *parts, role="group"),
        words=words,
        note=note,
    )


def worst_of_each(points: Sequence[WindowPoint], most: int) -> list[WindowPoint]:
    """Return at most so many points: of neighbours the worst, the newest among equals, so that no alarm is lost."""
    groups = grouped(points, most)
    return [
        max(group, key=lambda point: (_WORST[point.state], point.value is not None, point.day))
        for group in groups
    ]


def grouped(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Cut a sequence into at most so many runs of neighbours, of equal length but for the first."""
    size = max(1, -(-len(items) // most))
    first = len(items) % size
    starts = [*([0] if first else []), *range(first, len(items), size)]
    return [items[start:end] for start, end in pairwise([*starts, len(items)])]


def _ends(points: Sequence[WindowPoint]) -> tuple[float, float]:
    """The axis holds all values, and limits that are not many times as large; of wide intervals a part."""
    values = [point.value for point in points if point.value is not None]
    largest = max(abs(value) for value in values)
    limits = [limit for side in _sides(points) for _, limit in side]
    near = [*values, *(limit for limit in limits if abs(limit) <= _FARTHEST_LIMIT * largest or not largest)]
    low, high = min(near), max(near)
    reach = max(high - low, 0.02 * max(abs(low), abs(high))) or 1.0
    all_of_them = [value for point in points for value in (point.low, point.high) if value is not None]
    low = max(min([low, *all_of_them]), low - 2 * reach)
    high = min(max([high, *all_of_them]), high + 2 * reach)
    return low - 0.05 * (high - low or reach), high + 0.05 * (high - low or reach)


def _band(plot: Plot, points: Sequence[WindowPoint]) -> Markup:
    drawn = [(point.day.toordinal(), point.low, point.high) for point in points if point.low is not None]
    sides = [(x, low, high) for x, low, high in drawn if high is not None]
    if len(sides) < 2:
        return NOTHING
    xs = [x for x, _, _ in sides]
    there = plot.path(xs, [high for _, _, high in sides])
    back = plot.path(xs[::-1], [low for _, low, _ in sides][::-1])
    return fill('<polygon class="band" points="{there} {back}"/>', there=there, back=back)


def _sides(points: Sequence[WindowPoint]) -> list[list[tuple[int, float]]]:
    """Day and limit of each window: on both sides of what is expected, where windows have been judged on both."""
    known = [
        (point.day.toordinal(), point.limit, point.expected) for point in points if point.limit is not None
    ]
    apart = [(day, limit - usual, usual) for day, limit, usual in known if usual is not None]
    if len({one > 0 for _, one, _ in apart if one}) < 2:
        return [[(day, limit) for day, limit, _ in known]]
    return [[(day, usual + side * abs(one)) for day, one, usual in apart] for side in (1, -1)]


def _steps(plot: Plot, points: Sequence[WindowPoint]) -> Markup:
    """The limit, on each side that has one."""
    return joined(*(_one_side(plot, side) for side in _sides(points)))


def _one_side(plot: Plot, side: Sequence[tuple[int, float]]) -> Markup:
    """One line where the limit is the same throughout, else a line through each window's."""
    low, high = plot.y_ends
    limits = [(day, limit) for day, limit in side if low <= limit <= high]
    if not limits:
        return NOTHING
    if len({limit for _, limit in limits}) == 1:
        return plot.level(limits[0][1], "limit")
    path = plot.path([x for x, _ in limits], [limit for _, limit in limits])
    return fill('<polyline class="limit" points="{path}"/>', path=path)


def _line(plot: Plot, points: Sequence[WindowPoint], kind: str) -> Markup:
    if len(points) < 2:
        return NOTHING
    path = plot.path([point.day.toordinal() for point in points], [point.value or 0.0 for point in points])
    return fill('<polyline class="{kind}" points="{path}"/>', kind=kind, path=path)


def _point(plot: Plot, point: WindowPoint) -> Markup:
    interval = f" [{number(point.low)}, {number(point.high)}]" if point.low is not None else ""
    circle = fill(
        '<circle class="p {state}" cx="{x}" cy="{y}" r="{size}">'
        "<title>{day}: {value}{interval}, {state}</title></circle>",
        state=point.state,
        x=plot.x(point.day.toordinal()),
        y=plot.y(point.value or 0.0),
        size="2" if point.state == "ok" else "3.5",
        day=point.day,
        value=number(point.value),
        interval=interval,
    )
    if not point.has_page:
        return circle
    # The calendar above has the same links: a keyboard need not walk through those of every picture.
    return fill('<a href="{day}.html" tabindex="-1">{circle}</a>', day=point.day, circle=circle)


def _words(points: Sequence[WindowPoint], plot: Plot) -> str:
    newest = next(point for point in reversed(points) if point.value is not None)
    alarms = sum(point.state == "alarm" for point in points)
    interval = f" [{number(newest.low)}, {number(newest.high)}]" if newest.low is not None else ""
    limit = ""
    if newest.limit is not None:
        is_drawn = plot.y_ends[0] <= newest.limit <= plot.y_ends[1]
        limit = f", limit {number(newest.limit)} ({'dashed' if is_drawn else 'far outside'})"
    return (
        f"{number(newest.value)}{interval} on {newest.day}{limit}; {counted(alarms, 'alarm')} in "
        f"{counted(len(points), 'window')}."
    )


def _dates(days: tuple[date, date]) -> list[tuple[float, str]]:
    first, last = days[0].toordinal(), days[1].toordinal()
    places = dict.fromkeys((first, (first + last) // 2, last))
    return [(place, date.fromordinal(place).isoformat()) for place in places]
