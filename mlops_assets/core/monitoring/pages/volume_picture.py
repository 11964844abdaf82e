"""The picture of events per day, with the days on which a source was broken."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta

from markupsafe import Markup

from mlops_assets.core.monitoring.pages.markup import counted, fill, joined, number
from mlops_assets.core.monitoring.pages.plot import Plot
from mlops_assets.core.monitoring.pages.series_picture import MOST_POINTS, grouped


def volume_figure(events: Mapping[date, int], *, silent: Collection[date], days: tuple[date, date]) -> Markup:
    """Return bars of events per day; of many days each bar is the mean of some neighbours.

    events: by day; a day that is missing has none. silent: days with a fault. days: first and last of the axis.
    """
    first, last = days
    every = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    groups = grouped(every, MOST_POINTS)
    means = [sum(events.get(day, 0) for day in group) / len(group) for group in groups]
    plot = Plot((first.toordinal(), last.toordinal() + 1), (0.0, 1.05 * max([*means, 1.0])))
    bars = [
        fill(
            '<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>',
            kind="s alarm" if any(day in silent for day in group) else "bar",
            x=plot.x(group[0].toordinal()),
            y=plot.y(mean),
            width=max(
                0.5, round(0.9 * (plot.x(group[-1].toordinal() + 1) - plot.x(group[0].toordinal())), 1)
            ),
            height=round(plot.y(0.0) - plot.y(mean), 1),
        )
        for group, mean in zip(groups, means, strict=True)
    ]
    faulty = sum(day in silent for day in every)
    words = (
        f"{number(float(sum(events.get(day, 0) for day in every)))} events on {counted(len(every), 'day')}; "
        f"{counted(faulty, 'day')} with a fault (orange)."
    )
    labels = [(place, date.fromordinal(place).isoformat()) for place in (first.toordinal(), last.toordinal())]
    return fill(
        "<section><h3>Volume: events per day</h3><figure>{picture}<figcaption>{words}</figcaption></figure></section>",
        picture=plot.svg(f"Events per day. {words}", plot.y_axis(), *bars, joined(plot.x_axis(labels))),
        words=words,
    )
