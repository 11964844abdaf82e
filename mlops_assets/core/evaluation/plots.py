"""Pictures of an evaluation: calibration, curves, differences, slices, cost. Each returns the bytes of a
small PNG.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.metrics import METRICS, Floats, Labels
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.plots.style import (
    BLUE,
    GREY,
    LINE_STYLES,
    ORANGE,
    PALETTE,
    VERMILION,
    legend,
    log_odds_histograms,
    new_figure,
    to_png,
)

_MAXIMUM_GROUPS = 30


def reliability_diagram(result: EvaluationResult) -> bytes:
    """Draw observed rate against mean prediction per equal-mass bin, with intervals, and the rows per bin
    below.

    Shown are the candidate with Wilson's 95 % interval, and other probabilities without. The axes are
    logarithmic when the predictions span more than a factor of twenty, as they do for rare outcomes; what
    lies below them is drawn at their edge.
    """
    bins = result.calibration_bins
    own = bins.filter(contender=result.candidate)
    predictions, limits = _floats(own, "mean_prediction"), _floats(own, "high")
    start, end = _calibration_range(predictions, limits)
    note = f"{_sample(result)}; bins of equal size, bars: 95 % interval"
    options = {"gridspec_kw": {"height_ratios": [4, 1]}, "sharex": True}
    figure, (axes, below) = new_figure("Calibration", note, rows=2, height=5.2, **options)
    axes.plot([start, end], [start, end], color=GREY, linewidth=1, linestyle=":", label="perfect")
    for index, name in enumerate(result.contenders):
        part = bins.filter(contender=name)
        x, y = _floats(part, "mean_prediction"), np.clip(_floats(part, "observed_rate"), start, None)
        if name == result.candidate:
            spread = np.abs(np.stack([np.clip(_floats(part, "low"), start, None), _floats(part, "high")]) - y)
            axes.errorbar(
                x, y, yerr=spread, color=BLUE, marker="o", markersize=5, capsize=2, zorder=5, label=name
            )
        elif part.height:
            axes.plot(x, y, color=PALETTE[index % 8], marker=".", linewidth=1.2, label=name)
    scale = "log" if start > 0 else "linear"
    axes.set(ylabel="observed rate", xscale=scale, yscale=scale, xlim=(start, end), ylim=(start, end))
    legend(axes, loc="upper left")
    width = predictions * 0.06 if start > 0 else end / 80
    below.bar(predictions, own["rows"].to_numpy(), width=width, color=BLUE)
    below.set(xlabel="mean predicted probability of the bin", ylabel="rows")
    return to_png(figure)


def precision_recall_curves(result: EvaluationResult) -> bytes:
    """Draw precision against recall of every contender, with the average precision in the legend."""
    figure, (axes,) = new_figure("Precision and recall", f"{_sample(result)}; brackets: average precision")
    share = result.positives / result.rows
    axes.axhline(share, color=GREY, linestyle=":", linewidth=1, label=f"chance [{share:.3g}]")
    for name, style, curve in _styled_curves(result):
        label = f"{name} [{_text(result.value('average_precision', name))}]"
        # The first points rest on a handful of rows and jump between 0 and 1.
        shown = curve.filter((pl.col("recall") >= 0.005) | (pl.col("threshold") == pl.col("threshold").min()))
        axes.plot(shown["recall"].to_numpy(), shown["precision"].to_numpy(), label=label, **style)
    chosen = result.thresholds.filter("is_chosen")
    if chosen["precision"].item() is not None:
        x, y = chosen["recall"].item(), chosen["precision"].item()
        axes.plot([x], [y], "o", color=BLUE, markersize=8, markerfacecolor="white", label="threshold")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    legend(axes, loc="upper right")
    return to_png(figure)


def roc_curves(result: EvaluationResult) -> bytes:
    """Draw true against false positive rate of every contender, with the area in the legend."""
    figure, (axes,) = new_figure("ROC", f"{_sample(result)}; brackets: area under the curve")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="chance [0.5]")
    for name, style, curve in _styled_curves(result):
        label = f"{name} [{_text(result.value('auc', name))}]"
        x = np.append(0.0, curve["false_positive_rate"].to_numpy())
        axes.plot(x, np.append(0.0, curve["recall"].to_numpy()), label=label, **style)
    axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)", xlim=(0, 1), ylim=(0, 1.01))
    legend(axes, loc="lower right")
    return to_png(figure)


def differences_forest(result: EvaluationResult, *, metric: str | None = None) -> bytes:
    """Draw how much better the candidate is than each contender, with intervals; right of zero is better."""
    chosen = metric or result.primary_metric
    rows = result.differences.filter(metric=chosen)
    note = f"right of zero: {result.candidate} is better than the one named; {_interval(result)}"
    names = [f"{name} (n={n:,})" for name, n in rows.select("contender", "rows").rows()]
    axis = f"{chosen}, candidate ahead by"
    return _forest(f"Difference in {METRICS[chosen].title}", note, rows, names, line=0.0, axis=axis)


def slices_forest(result: EvaluationResult, *, metric: str | None = None) -> bytes:
    """Draw the candidate's metric in every group of every slice, with intervals, beside the value on all
    rows.

    Groups with too few rows are drawn hollow and grey. At most thirty groups.
    """
    chosen = metric or result.primary_metric
    rows = result.slices.filter(metric=chosen).drop_nulls("value").head(_MAXIMUM_GROUPS)
    names = [f"{s} = {g} (n={n:,})" for s, g, n in rows.select("slice", "group", "rows").rows()]
    few = f"grey: fewer than {result.minimum_slice_rows} rows"
    note = f"{_interval(result)}; line: all {result.rows:,} rows; {few}"
    title = f"{METRICS[chosen].title[:1].upper()}{METRICS[chosen].title[1:]} by group"
    return _forest(title, note, rows, names, line=result.value(chosen), axis=chosen)


def cost_by_threshold(result: EvaluationResult) -> bytes:
    """Draw the cost per row over thresholds, with the one chosen on validation rows and the share flagged."""
    table = result.thresholds
    threshold = result.threshold
    note = f"{_sample(result)}; threshold chosen on {threshold.rows:,} validation rows"
    options = {"gridspec_kw": {"height_ratios": [3, 1.2]}, "sharex": True}
    figure, (axes, below) = new_figure("Cost of decisions", note, rows=2, **options)
    shown = table.filter(pl.col("threshold") <= 1)
    x = np.clip(shown["threshold"].to_numpy(), 1e-6, None)
    axes.plot(x, shown["cost_per_row"].to_numpy(), color=BLUE, label="on test rows")
    for value, colour, style, name in (
        (threshold.value, VERMILION, "-", "chosen"),
        (threshold.theoretical, GREY, "--", "best if perfectly calibrated"),
    ):
        axes.axvline(
            min(value, 1.0), color=colour, linestyle=style, linewidth=1.2, label=f"{name}: {value:.3g}"
        )
        below.axvline(min(value, 1.0), color=colour, linestyle=style, linewidth=1.2)
    axes.set(ylabel=f"cost per row ({result.cost_unit})", ylim=(0, None), xscale="log")
    legend(axes)
    below.plot(x, _floats(shown, "recall"), color=BLUE, label="recall")
    below.plot(x, _floats(shown, "flagged_share"), color=ORANGE, label="flagged")
    below.set(xlabel="decision threshold (log scale)", ylabel="share", ylim=(0, 1.05))
    legend(below)
    return to_png(figure)


def scores_by_label(labels: Labels, probabilities: Floats, *, title: str = "Scores by outcome") -> bytes:
    """Draw the distribution of predicted probabilities for positive and for negative rows."""
    positive = labels == 1
    note = f"{int((~positive).sum()):,} negative and {int(positive.sum()):,} positive rows, each summing to 1"
    figure, (axes,) = new_figure(title, note)
    samples = {"negative": probabilities[~positive], "positive": probabilities[positive]}
    log_odds_histograms(axes, samples, colours=(BLUE, ORANGE))
    return to_png(figure)


def _forest(
    title: str, note: str, rows: pl.DataFrame, names: list[str], *, line: float | None, axis: str
) -> bytes:
    figure, (axes,) = new_figure(title, note, height=max(2.2, 1.6 + 0.26 * len(names)))
    is_enough = rows["is_enough"].to_list() if "is_enough" in rows.columns else [True] * rows.height
    places = np.arange(rows.height)[::-1]
    for place, row, enough in zip(places, rows.to_dicts(), is_enough, strict=True):
        colour = BLUE if enough else GREY
        if row["low"] is not None:
            axes.plot(
                [row["low"], row["high"]], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt"
            )
        face = colour if enough else "white"
        axes.plot([row["value"]], [place], "o", color=colour, markerfacecolor=face, markersize=6)
    if line is not None:
        axes.axvline(line, color=VERMILION, linewidth=1.2, linestyle="--")
    axes.set_yticks(places, names, parse_math=False)
    axes.set(xlabel=axis, ylim=(-0.7, max(rows.height - 0.3, 0.3)))
    axes.grid(visible=False, axis="y")
    return to_png(figure)


def _styled_curves(result: EvaluationResult) -> Iterator[tuple[str, dict[str, Any], pl.DataFrame]]:
    for index, name in enumerate(result.contenders):
        curve = result.curves.filter(contender=name)
        is_candidate = name == result.candidate
        style = {
            "color": PALETTE[index % len(PALETTE)],
            "linewidth": 2.2 if is_candidate else 1.3,
            "linestyle": LINE_STYLES[index % len(LINE_STYLES)],
            "zorder": 5 if is_candidate else 3,
        }
        yield name, style, curve


def _calibration_range(predictions: Floats, limits: Floats) -> tuple[float, float]:
    end = max(float(predictions.max()), float(limits.max())) * 1.05
    smallest = float(predictions.min())
    return (smallest / 1.5 if 0 < smallest < end / 20 else 0.0), end


def _floats(frame: pl.DataFrame, column: str) -> Floats:
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _sample(result: EvaluationResult) -> str:
    return f"{result.rows:,} test rows, {result.positives:,} positive"


def _interval(result: EvaluationResult) -> str:
    return f"{result.confidence:.0%} bootstrap interval"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
