"""The page over all windows of a product: where it stands, a calendar of windows, and numbers over time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import polars as pl
from markupsafe import Markup

from mlops_assets.core.declared.alerts import Topic
from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.monitoring.finding import State, findings_from_frame
from mlops_assets.core.monitoring.pages.headline import TOPICS, headline
from mlops_assets.core.monitoring.pages.markup import NOTHING, counted, document, fill, joined
from mlops_assets.core.monitoring.pages.series_picture import (
    MOST_POINTS,
    WindowPoint,
    grouped,
    series_figure,
)
from mlops_assets.core.monitoring.pages.volume_picture import volume_figure
from mlops_assets.core.monitoring.pages.window_page import counted_number

_MOST_LINKS = 800
"""Windows of the calendar, the newest."""
_OPEN_MONTHS = 3
"""Of the calendar; the others unfold."""
_MOST_PICTURES = 18
_PICTURES_OF_A_TOPIC = 2
_COLUMN_PICTURES = 6
_SIGNS: Mapping[State, str] = {"ok": "", "alarm": "▲", "inconclusive": "?"}
_STATES: tuple[State, ...] = ("ok", "inconclusive", "alarm")
"""By severity."""
_SEVERITY = pl.col("state").replace_strict(
    {state: place for place, state in enumerate(_STATES)}, return_dtype=pl.Int8
)


@dataclass(frozen=True, kw_only=True)
class ProductFacts:
    """What the page over all windows says besides them."""

    product: str
    title: str
    """For people."""
    false_alarms: float
    """Promised number in a quarter."""


def trend_page(
    facts: ProductFacts, verdicts: pl.DataFrame, events: Mapping[date, int], *, pages: Collection[str]
) -> str:
    """Return the page as text; the same arguments give the same bytes, and its size is bounded.

    facts: of the product. verdicts: the table of findings of all windows. events: rows by day. pages: the names of the
    windows that have a page.
    """
    ordered = verdicts.sort("event_date", maintain_order=True)
    windows = _worst_states(ordered)
    home = fill('<nav aria-label="Products"><a href="../../index.html">All products</a></nav>')
    heading = fill("<h1>{title}: all windows</h1>", title=facts.title)
    title = f"{facts.product}: all windows"
    if not windows:
        body = joined(home, heading, fill("<p>No window was judged yet.</p>"))
        return document(title=title, summary="No window was judged yet", body=body)
    newest = max(windows)
    verdict = headline(findings_from_frame(ordered.filter(pl.col("event_date") == newest)))
    body = joined(
        home,
        heading,
        fill(
            '<p class="verdict {state}">{day}: {words}.</p>',
            state=verdict.state,
            day=newest,
            words=verdict.words,
        ),
        _counted_states(windows, facts),
        _calendar(windows, pages),
        _strips(ordered, list(windows)),
        _pictures(ordered, events, days=(min(windows), newest), pages=pages),
        _versions(ordered),
    )
    return document(title=title, summary=f"{newest}: {verdict.words}", body=body)


def _worst_states(ordered: pl.DataFrame) -> dict[date, State]:
    """The worst state of each window, by day."""
    worst = ordered.group_by("event_date", maintain_order=True).agg(_SEVERITY.max())
    return {day: _STATES[place] for day, place in worst.iter_rows()}


def _counted_states(windows: Mapping[date, State], facts: ProductFacts) -> Markup:
    alarms = sum(state == "alarm" for state in windows.values())
    return fill(
        "<p>{alarms} of {all} with an alarm, {first} to {last}. Promised: at most {promise} a quarter, if nothing "
        "happens.</p>",
        alarms=counted(alarms, "window"),
        all=f"{len(windows):,}",
        first=min(windows),
        last=max(windows),
        promise=counted_number(facts.false_alarms),
    )


def _calendar(windows: Mapping[date, State], pages: Collection[str]) -> Markup:
    there = frozenset(pages)
    newest = sorted(windows, reverse=True)[:_MOST_LINKS]
    months = [
        fill(
            '<h3>{month}</h3><div class="days">{days}</div>',
            month=month,
            days=joined(
                *(_day(day, windows[day], has_page=day.isoformat() in there) for day in sorted(days))
            ),
        )
        for month, days in groupby(newest, key=lambda day: f"{day:%Y-%m}")
    ]
    earlier = months[_OPEN_MONTHS:]
    folded = (
        fill(
            "<details><summary>{earlier}</summary>{months}</details>",
            earlier=counted(len(earlier), "earlier month"),
            months=joined(*earlier),
        )
        if earlier
        else NOTHING
    )
    left_out = len(windows) - len(newest)
    older = f" {counted(left_out, 'older window')} in the table verdicts." if left_out else ""
    return fill(
        "<h2>Windows by their last day</h2><p>▲ alarm, ? inconclusive.{older}</p>{months}{folded}",
        older=older,
        months=joined(*months[:_OPEN_MONTHS]),
        folded=folded,
    )


def _day(day: date, state: State, *, has_page: bool) -> Markup:
    template = (
        '<a class="{state}" href="{day}.html" title="{day}: {state}">{shown}</a>'
        if has_page
        else '<span class="{state}" title="{day}: {state}, its page is gone">{shown}</span>'
    )
    return fill(template, state=state, day=day, shown=f"{day.day}{_SIGNS[state]}")


def _strips(ordered: pl.DataFrame, days: Sequence[date]) -> Markup:
    """One line per topic: its worst state in each window."""
    worst = ordered.group_by("topic", "event_date").agg(_SEVERITY.max())
    by_topic: dict[str, dict[date, int]] = {}
    for topic, day, place in worst.iter_rows():
        by_topic.setdefault(topic, {})[day] = place
    groups = grouped(days, MOST_POINTS)
    rows = [
        fill(
            '<tr><th scope="row">{title}</th><td>{strip}</td></tr>',
            title=title,
            strip=_strip(title, [_worst(by_topic[topic], group) for group in groups]),
        )
        for topic, title in TOPICS.items()
        if topic in by_topic
    ]
    return fill(
        "<h2>Topics over time</h2><p>{first} to {last}: orange alarm, grey inconclusive, blue ok.</p>"
        '<table class="strip">{rows}</table>',
        first=days[0],
        last=days[-1],
        rows=joined(*rows),
    )


def _worst(places: Mapping[date, int], days: Sequence[date]) -> State | None:
    known = [places[day] for day in days if day in places]
    return _STATES[max(known)] if known else None


def _strip(title: str, states: Sequence[State | None]) -> Markup:
    runs, start = [], 0
    for state, same in groupby(states):
        width = len(list(same))
        runs.append(
            fill(
                '<rect class="s {state}" x="{x}" y="0" width="{width}" height="1"/>',
                state=state or "none",
                x=start,
                width=width,
            )
        )
        start += width
    alarms = sum(state == "alarm" for state in states)
    return fill(
        '<svg viewBox="0 0 {width} 1" preserveAspectRatio="none" role="img" aria-label="{label}">{runs}</svg>',
        width=start,
        label=f"{title}: {alarms} of {start} with an alarm",
        runs=joined(*runs),
    )


def _pictures(
    ordered: pl.DataFrame, events: Mapping[date, int], *, days: tuple[date, date], pages: Collection[str]
) -> Markup:
    numbers = ordered.filter(pl.col("topic") != "data_quality")
    there = frozenset(pages)
    series = {
        key: _points(rows, there)
        for key, rows in numbers.partition_by("topic", "subject", as_dict=True, maintain_order=True).items()
        if key in _chosen(numbers)
    }
    figures = []
    for topic, subject in _chosen(numbers):
        estimated = series.get(("estimated_performance", subject), []) if topic == "performance" else []
        figures.append(
            series_figure(
                _title(topic, subject),
                series[topic, subject],
                days=days,
                beside=estimated,
                beside_title="The estimate before the labels came" if estimated else "",
            )
        )
    figures.append(volume_figure(events, silent=_silent_days(ordered), days=days))
    return fill(
        "<h2>Numbers over time</h2><p>A point leads to the page of its window.{note}</p>"
        '<div class="grid wide">{all}</div>',
        note=" Of many windows each point is the worst of some neighbours." if _is_thinned(ordered) else "",
        all=joined(*figures),
    )


def _is_thinned(ordered: pl.DataFrame) -> bool:
    return ordered["event_date"].n_unique() > MOST_POINTS


def _chosen(numbers: pl.DataFrame) -> list[tuple[str, str]]:
    """Topic and subject of the pictures: of each topic those with most alarms, then of the largest consequence."""
    known = (
        numbers.filter(pl.col("value").is_not_null())
        .group_by("topic", "subject")
        .agg(
            alarms=(pl.col("state") == "alarm").sum(), consequence=pl.col("consequence").max().fill_null(0.0)
        )
        .sort("alarms", "consequence", "subject", descending=[True, True, False])
    )
    chosen: list[tuple[int, int, str, str]] = []
    for order, topic in enumerate(TOPICS):
        subjects = known.filter(pl.col("topic") == topic)["subject"].to_list()
        most = _COLUMN_PICTURES if topic == "drift" else _PICTURES_OF_A_TOPIC
        chosen += [(place, order, topic, subject) for place, subject in enumerate(subjects[:most])]
    # Where there are too many, each topic keeps its first ones.
    kept = sorted(chosen)[:_MOST_PICTURES]
    return [
        (topic, subject) for place, order, topic, subject in sorted(kept, key=lambda one: (one[1], one[0]))
    ]


def _points(rows: pl.DataFrame, pages: Collection[str]) -> list[WindowPoint]:
    """One point per window: of several findings the worst."""
    one_each = rows.sort("event_date", _SEVERITY, descending=[False, True], maintain_order=True).unique(
        "event_date", keep="first", maintain_order=True
    )
    chosen = one_each.select("event_date", "state", "value", "low", "high", "limit", "expected")
    return [
        WindowPoint(
            day=day,
            state=state,
            value=value,
            low=low,
            high=high,
            limit=limit,
            expected=expected,
            has_page=day.isoformat() in pages,
        )
        for day, state, value, low, high, limit, expected in chosen.iter_rows()
    ]


def _title(topic: str, subject: str) -> str:
    known: dict[str, str] = {str(name): title for name, title in TOPICS.items()}
    metric = METRICS.get(subject) if topic in ("performance", "estimated_performance") else None
    return f"{known[topic]}: {metric.title if metric else subject}"


def _silent_days(ordered: pl.DataFrame) -> frozenset[date]:
    topic: Topic = "data_quality"
    faults = ordered.filter(
        (pl.col("topic") == topic) & (pl.col("state") == "alarm") & pl.col("partition").is_not_null()
    )
    return frozenset(date.fromisoformat(day) for day in faults["partition"].unique())


def _versions(ordered: pl.DataFrame) -> Markup:
    """Which version each stretch of windows judged."""
    if "champion_version" not in ordered.columns:
        return NOTHING
    runs = ordered.group_by("event_date", maintain_order=True).agg(pl.col("champion_version").last())
    told, before = [], None
    for day, version in runs.iter_rows():
        if version != before:
            told.append(fill("<li>version {version} from {day} on</li>", version=version, day=day))
        before = version
    shown = told[-20:]
    return fill("<h2>Versions judged</h2><ul>{versions}</ul>", versions=joined(*shown))
