"""The picture of one column: how the window is distributed over how the history was, and how far it moved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from mlops_assets.core.monitoring.drift.bins import main_value, without
from mlops_assets.core.monitoring.drift.windows import ComparedColumn
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.pages.markup import counted, fill, joined, number
from mlops_assets.core.monitoring.pages.plot import Plot
from mlops_assets.core.monitoring.profile import ColumnProfile

Floats = npt.NDArray[np.float64]

_WIDTH = 310
"""Three pictures stand beside each other."""
_BINS = 24
_MOST_BARS = 12
"""A column of at most so many different values has a bar for each; of a category the most frequent have one."""
_LONGEST_LABEL = 9
_NAMED = 3
_WORTH_A_WORD = 0.01
"""Change of a value's share below which it is not named."""
_TAIL = 0.01
_LONG_TAIL = 12.0
"""Ratio of a high value to the usual one from which a scale of powers shows more than an even one."""


@dataclass(frozen=True)
class _Bars:
    """Shares of rows per bar on both sides, of the same bars."""

    labels: tuple[tuple[float, str], ...]
    """Place of a label, in bars, and its text."""
    window: Floats
    history: Floats
    lowest: Floats
    """The smallest share of a window of the history, per bar."""
    highest: Floats
    values: tuple[str, ...] = ()
    """What each bar is, where it is one value; empty for bars of a range."""


def column_figure(finding: Finding, compared: ComparedColumn) -> Markup:
    """Return the column's picture with what is said of it: bars of the window over those of the reference.

    A thin line spans what windows of the history showed in each bar. Values beyond the middle 98 % of both sides count
    in the outermost bars. Of a column that is mostly one value the others are drawn; the caption says how many have it.
    """
    reference, current = compared.history.reference, compared.current
    usual = None if compared.is_category else main_value(reference)
    is_mostly_one = usual is not None and len(_distinct(reference, current)) > _MOST_BARS
    windows = compared.history.windows
    if is_mostly_one and usual is not None:
        reference, current = without(reference, usual), without(current, usual)
        windows = tuple(without(one, usual) for one in windows)
    left_out = usual if is_mostly_one else None
    if not (reference.present and current.present):
        words = _caption(finding, compared, left_out)
        return fill("<figure><p>One side has no values to draw.</p>{text}</figure>", text=words)
    bars = _bars(reference, current, windows, compared=compared)
    picture = _drawn(finding, bars)
    caption = _caption(finding, compared, left_out, changed=_changed_most(bars))
    return fill(
        "<figure>{picture}{moved}{text}</figure>", picture=picture, moved=_moved_bar(finding), text=caption
    )


def _drawn(finding: Finding, bars: _Bars) -> Markup:
    number_of_bars = len(bars.window)
    top = max(float(bars.window.max()), float(bars.history.max()), float(bars.highest.max()), 1e-9)
    plot = Plot((0.0, float(number_of_bars)), (0.0, 1.05 * top), height=170, width=_WIDTH)
    drawn = [plot.y_axis()]
    for place in range(number_of_bars):
        drawn.append(_box(plot, place + 0.04, place + 0.96, bars.history[place], "ghost"))
        drawn.append(_box(plot, place + 0.24, place + 0.76, bars.window[place], "bar"))
        if bars.highest[place] > bars.lowest[place]:
            drawn.append(
                fill(
                    '<line class="range" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>',
                    x=plot.x(place + 0.5),
                    low=plot.y(bars.lowest[place]),
                    high=plot.y(bars.highest[place]),
                )
            )
    label = f"{finding.subject}: share of rows by value, window over history. {finding.reason}"
    return plot.svg(label, *drawn, plot.x_axis(bars.labels))


def _box(plot: Plot, left: float, right: float, share: float, kind: str) -> Markup:
    return fill(
        '<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>',
        kind=kind,
        x=plot.x(left),
        y=plot.y(share),
        width=round(plot.x(right) - plot.x(left), 1),
        height=round(plot.y(0.0) - plot.y(share), 1),
    )


def _moved_bar(finding: Finding) -> Markup:
    """Return a bar as long as the share of rows that moved, with marks at what is usual and at the limit."""
    if finding.value is None:
        return Markup("")
    longest = max(1.25 * max(finding.value, finding.limit or 0.0, finding.expected or 0.0), 0.05)
    marks = [
        fill(
            '<line class="{kind}" x1="{x}" x2="{x}" y1="1" y2="15"/>',
            kind=kind,
            x=round(_WIDTH * value / longest, 1),
        )
        for value, kind in ((finding.expected, "range"), (finding.limit, "limit"))
        if value is not None
    ]
    label = (
        f"{number(finding.value)} of the rows moved; usual {number(finding.expected)}, "
        f"limit {number(finding.limit)}"
    )
    return fill(
        '<svg viewBox="0 0 {width} 16" role="img" aria-label="{label}"><rect class="ghost" x="0" y="5" width="{width}" '
        'height="6"/><rect class="{kind}" x="0" y="4" width="{moved}" height="8"/>{marks}</svg>',
        width=_WIDTH,
        label=label,
        kind="s alarm" if finding.state == "alarm" else "bar",
        moved=round(_WIDTH * finding.value / longest, 1),
        marks=joined(*marks),
    )


def _changed_most(bars: _Bars) -> str:
    """Say of which values the share changed most, in words; nothing of bars of a range."""
    change = bars.window - bars.history
    order = [
        place for place in np.argsort(-np.abs(change), kind="stable") if abs(change[place]) >= _WORTH_A_WORD
    ]
    told = [
        f"{bars.values[place]} {bars.history[place]:.0%} → {bars.window[place]:.0%}"
        for place in order[:_NAMED]
        if bars.values
    ]
    return f" Changed most: {', '.join(told)}." if told else ""


def _caption(finding: Finding, compared: ComparedColumn, usual: float | None, *, changed: str = "") -> Markup:
    missing = ""
    if compared.current.missing or compared.history.reference.missing:
        missing = (
            f" Missing: {_share_of(compared.current.missing, compared.current.rows)} of the window, "
            f"{_share_of(compared.history.reference.missing, compared.history.reference.rows)} of the history."
        )
    beside = ""
    if usual is not None:
        shares = [
            _share_of(int(one.counts[one.values == usual].sum()), one.rows)
            for one in (compared.current, compared.history.reference)
        ]
        beside = f" Left out is the usual value {number(usual)}: {shares[0]} of the window, {shares[1]} of the history."
    return fill(
        "<figcaption>{reason}. {rows} in the window (blue), {history} in the history (grey; the thin line spans its "
        "windows).{changed}{missing}{beside}</figcaption>",
        reason=finding.reason,
        rows=counted(compared.current.rows, "row"),
        history=f"{compared.history.reference.rows:,}",
        changed=changed,
        missing=missing,
        beside=beside,
    )


def _share_of(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _distinct(*profiles: ColumnProfile) -> Floats:
    return np.unique(np.concatenate([one.values for one in profiles]))


def _bars(
    reference: ColumnProfile,
    current: ColumnProfile,
    windows: Sequence[ColumnProfile],
    *,
    compared: ComparedColumn,
) -> _Bars:
    values = _distinct(reference, current)
    past = [one for one in windows if one.present]
    if compared.is_category or len(values) <= _MOST_BARS:
        chosen = _chosen(reference, current, values)
        has_others = len(chosen) < len(values)
        names = [_name(float(value), compared.names) for value in chosen]
        if has_others:
            names.append("other")
        labels = [(place + 0.5, _shortened(name)) for place, name in enumerate(names)]

        def shares(one: ColumnProfile) -> Floats:
            return _shares_of_values(one, chosen, has_others=has_others)
    else:
        edges, labels = _edges(reference, current)
        names = []

        def shares(one: ColumnProfile) -> Floats:
            return _shares_between(one, edges)

    seen = np.array([shares(one) for one in past]) if past else shares(reference)[None, :]
    return _Bars(
        tuple(labels), shares(current), shares(reference), seen.min(axis=0), seen.max(axis=0), tuple(names)
    )


def _name(code: float, names: Sequence[str]) -> str:
    is_known = code.is_integer() and 0 <= code < len(names)
    return names[int(code)] if is_known else f"{code:g}"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"


def _chosen(reference: ColumnProfile, current: ColumnProfile, values: Floats) -> Floats:
    """The values with a bar of their own, ascending: the most frequent on either side."""
    if len(values) <= _MOST_BARS:
        return values
    frequent = np.maximum(*(_shares_of_values(one, values, has_others=False) for one in (reference, current)))
    return np.sort(values[np.argsort(-frequent, kind="stable")[: _MOST_BARS - 1]])


def _shares_of_values(profile: ColumnProfile, values: Floats, *, has_others: bool) -> Floats:
    place = np.minimum(np.searchsorted(values, profile.values), len(values) - 1)
    place = np.where(values[place] == profile.values, place, len(values))
    counts = np.bincount(place, weights=profile.counts, minlength=len(values) + 1)
    return (counts if has_others else counts[:-1]) / profile.present


def _edges(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, list[tuple[float, str]]]:
    """Edges of bars over the middle of both sides: even, or even in logarithms for long tails; with labels."""
    ends = [_quantiles(one, (_TAIL, 0.5, 1 - _TAIL)) for one in (reference, current)]
    low, high = min(one[0] for one in ends), max(one[2] for one in ends)
    middle = min(one[1] for one in ends)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    is_long = low > 0 and high > _LONG_TAIL * middle
    edges = np.geomspace(low, high, _BINS + 1) if is_long else np.linspace(low, high, _BINS + 1)
    places = (0, _BINS // 3, 2 * _BINS // 3, _BINS)
    return edges, [(float(place), number(float(edges[place]))) for place in places]


def _quantiles(profile: ColumnProfile, shares: tuple[float, ...]) -> tuple[float, ...]:
    below = np.cumsum(profile.counts) / profile.present
    places = np.minimum(np.searchsorted(below, shares), len(profile.values) - 1)
    return tuple(float(value) for value in profile.values[places])


def _shares_between(profile: ColumnProfile, edges: Floats) -> Floats:
    """Shares of rows between the edges, those beyond in the outermost; each value is spread half-way to the next.

    Stored values are rounded, and bars that hold one or two of the rounded values in turn would look like teeth.
    """
    values = profile.values
    between = (values[1:] + values[:-1]) / 2
    ends = np.concatenate([values[:1], between, values[-1:]])
    below = np.concatenate([[0.0], np.cumsum(profile.counts)]) / profile.present
    at_edges = np.interp(edges, ends, below)
    at_edges[0], at_edges[-1] = 0.0, 1.0
    return np.diff(at_edges)
