"""Pictures of tables and windows: what came in, how it is distributed, how far it drifted, how a metric
moves.

Every function returns the bytes of a small PNG.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mlops_assets.core.plots.style import (
    BLUE,
    GREY,
    VERMILION,
    WIDTH,
    legend,
    log_odds_histograms,
    new_figure,
    to_png,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 30
_COLUMNS = 3
_CELL, _WIDE, _HIGH = 1.25, 2.1, 0.75
"""Inches from one small histogram to the next below it, and of the bars' width and height."""


def rows_per_day(counts: pl.DataFrame, *, title: str = "Rows per day") -> bytes:
    """Draw rows per day; a day without rows is a gap, not a bar of zero.

    counts: one row per day, a Date column and `rows`; with a column `rejected`, those are stacked on top.
    """
    day = _date_column(counts)
    has_rejected = "rejected" in counts.columns
    note = f"{counts['rows'].sum():,} rows on {counts.height:,} days (UTC)"
    note += f", {counts['rejected'].sum():,} rejected" if has_rejected else ""
    figure, (axes,) = new_figure(title, note)
    # Day numbers since 1970 as matplotlib counts them: bars over an empty date axis would have no unit.
    days, rows = counts[day].to_physical().cast(pl.Float64).to_numpy(), counts["rows"].to_numpy()
    axes.bar(days, rows, width=1.0, color=BLUE, label="accepted" if has_rejected else None)
    if has_rejected:
        rejected = counts["rejected"].to_numpy()
        axes.bar(days, rejected, bottom=rows, width=1.0, color=VERMILION, label="rejected")
        legend(axes)
    axes.xaxis_date()
    axes.set(xlabel="day (UTC)", ylabel="rows")
    _short_dates(axes)
    return to_png(figure)


def rejection_reasons(summary: pl.DataFrame, *, rows: int, title: str = "Why rows were rejected") -> bytes:
    """Draw rows per broken check, most frequent first, at most fifteen.

    summary: `column`, `check` and `rows`, as a ContractResult has it; rows: how many rows were judged in all.
    """
    shown = summary.sort("rows", "column", "check", descending=[True, False, False]).head(15).reverse()
    names = [
        _shorten(f"{c}: {check}" if c else check, 48) for c, check in shown.select("column", "check").rows()
    ]
    note = f"of {rows:,} rows judged; a row that breaks two checks counts in both"
    figure, (axes,) = new_figure(title, note, height=max(2.0, 1.3 + 0.25 * len(names)))
    places = np.arange(len(names))
    bars = axes.barh(places, shown["rows"].to_numpy(), color=VERMILION, height=0.7)
    axes.bar_label(bars, fontsize=8.5, padding=3)
    axes.set_yticks(places, names, parse_math=False)
    axes.set(xlabel="rows")
    axes.margins(x=0.1)
    axes.grid(visible=False, axis="y")
    return to_png(figure)


def feature_histograms(features: pl.DataFrame, *, title: str = "Distribution of the features") -> bytes:
    """Draw one small histogram per column, at most 24, over its central 98 %; the share of nulls stands above
    each, both ends of its range below.

    Values outside the range count in the outermost bars, so that one outlier does not hide the rest.
    """
    shown = features.columns[:24]
    rows = max(1, -(-len(shown) // _COLUMNS))
    left_out = (
        f", {len(features.columns) - len(shown)} further features not shown" if features.width > 24 else ""
    )
    note = f"{features.height:,} rows; share of nulls in brackets; outermost bars hold the tails{left_out}"
    figure, (axes,) = new_figure(title, note, height=0.8 + _CELL * rows)
    # All in one axes, whose units are inches: axes of their own with ticks would take twice as long to draw.
    figure.set_layout_engine(None)
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(0, 0.8 + _CELL * rows))
    for place, name in enumerate(shown):
        row, column = divmod(place, _COLUMNS)
        _histogram(axes, features[name], left=0.2 + 2.25 * column, floor=0.3 + _CELL * (rows - 1 - row))
    return to_png(figure)


def _histogram(axes: "Axes", feature: pl.Series, *, left: float, floor: float) -> None:
    """Draw one histogram, _WIDE by _HIGH inches, on the floor; its name above and its range below."""
    null_share = feature.null_count() / max(feature.len(), 1)
    above = f"{_shorten(feature.name, 28)} ({null_share:.0%})"
    axes.text(left, floor + _HIGH + 0.05, above, fontsize=8, parse_math=False)
    axes.plot([left, left + _WIDE], [floor, floor], color=GREY, linewidth=0.8)
    values = feature.drop_nulls().cast(pl.Float64).to_numpy()
    if not len(values):
        return
    low, high = np.quantile(values, [0.01, 0.99])
    high = high if high > low else low + 1
    counts, _ = np.histogram(np.clip(values, low, high), bins=_BINS, range=(low, high))
    edges = np.linspace(left, left + _WIDE, _BINS + 1)
    axes.stairs(floor + _HIGH * counts / counts.max(), edges, baseline=floor, fill=True, color=BLUE)
    for x, value, side in ((left, low, "left"), (left + _WIDE, high, "right")):
        axes.text(x, floor - 0.04, f"{value:.4g}", fontsize=7, ha=side, va="top")


def drift_scores(columns: pl.DataFrame, *, rows: int, title: str = "Drift against the history") -> bytes:
    """Draw one bar per column with its own limit, by consequence, at most thirty.

    columns: `column`, `verdict`, `moved` (share of rows; null: not compared), `limit` (null: none known) and
    `consequence`. rows: of the window.
    """
    known = columns.drop_nulls("moved")
    shown = known.head(30).reverse()
    drifted = int((known["verdict"] == "drift").sum())
    note = f"{rows:,} rows in the window; {drifted} of {known.height} columns above their limit"
    note += f"; {columns.height - known.height} not compared" if known.height < columns.height else ""
    figure, (axes,) = new_figure(title, note, height=max(2.4, 1.3 + 0.2 * shown.height))
    colours = [VERMILION if verdict == "drift" else BLUE for verdict in shown["verdict"]]
    axes.barh(shown["column"].to_list(), shown["moved"].to_numpy(), color=colours, height=0.7)
    limits = shown.with_row_index("place").drop_nulls("limit")
    axes.scatter(limits["limit"], limits["place"], color=GREY, marker="|", s=90, linewidths=2, label="limit")
    axes.set(xlabel="share of rows that moved", xlim=(0, None))
    axes.grid(visible=False, axis="y")
    if limits.height:
        legend(axes, loc="lower right")
    return to_png(figure)


def metric_over_time(
    windows: pl.DataFrame, *, metric: str, reference: float | None = None, limit: float | None = None
) -> bytes:
    """Draw a metric per window with its interval, beside the champion's test value and the alarm limit.

    windows: a Date column, `value`, `low`, `high` (nulls where undefined) and `rows`.
    """
    day = _date_column(windows)
    known = windows.drop_nulls("value")
    rows = known["rows"]
    span = f"{rows.min():,}–{rows.max():,} rows each" if known.height else "none with a value"
    figure, (axes,) = new_figure(f"{metric} over time", f"{windows.height} windows, {span}")
    days = known[day].to_numpy()
    if known["low"].null_count() < known.height:
        low, high = known["low"].to_numpy(), known["high"].to_numpy()
        axes.fill_between(days, low, high, color=BLUE, alpha=0.2, linewidth=0, label="interval")
    axes.plot(days, known["value"].to_numpy(), color=BLUE, marker="o", markersize=4, label=metric)
    if reference is not None:
        axes.axhline(reference, color=GREY, linewidth=1.2, label="champion on its test rows")
    if limit is not None:
        axes.axhline(limit, color=VERMILION, linestyle="--", linewidth=1.2, label="alarm limit")
    axes.set(xlabel="end of window (UTC)", ylabel=metric)
    _short_dates(axes)
    legend(axes)
    return to_png(figure)


def score_distribution(
    reference: Sequence[float] | pl.Series, current: Sequence[float] | pl.Series, *, title: str = "Scores"
) -> bytes:
    """Draw the distribution of predicted probabilities of a window over that of the reference, on a log-odds
    axis.
    """
    sides = {"reference": pl.Series(reference), "window": pl.Series(current)}
    note = ", ".join(f"{name}: {len(values):,} rows" for name, values in sides.items())
    figure, (axes,) = new_figure(title, note)
    log_odds_histograms(
        axes, {name: values.to_numpy() for name, values in sides.items()}, colours=(GREY, BLUE)
    )
    return to_png(figure)


def _date_column(frame: pl.DataFrame) -> str:
    return next(name for name, dtype in frame.schema.items() if dtype == pl.Date)


def _short_dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _shorten(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 9]}…{name[-8:]}"
