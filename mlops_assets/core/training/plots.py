"""Pictures of training and of what a model learned. Each returns the bytes of a small PNG."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mlops_assets.core.model.explanation import contribution_importance
from mlops_assets.core.plots.style import BLUE, GREY, ORANGE, VERMILION, legend, new_figure, to_png

_FEATURES = 15
_POINTS_PER_FEATURE = 400


def validation_curve(values: Sequence[float], *, metric: str, best_iteration: int) -> bytes:
    """Draw the validation metric after each boosting round and the round that was kept (counted from 1)."""
    note = f"{len(values):,} rounds on validation rows; kept: {best_iteration:,}"
    figure, (axes,) = new_figure("Boosting", note)
    axes.plot(np.arange(1, len(values) + 1), np.asarray(values), color=BLUE)
    if 1 <= best_iteration <= len(values):
        axes.axvline(best_iteration, color=VERMILION, linestyle="--", linewidth=1.2, label="kept")
        axes.plot([best_iteration], [values[best_iteration - 1]], "o", color=VERMILION)
        legend(axes)
    axes.set(xlabel="boosting round", ylabel=f"validation {metric}")
    return to_png(figure)


def tuning_trials(trials: pl.DataFrame, *, metric: str, is_higher_better: bool) -> bytes:
    """Draw the validation metric of every trial and the best so far; trials without a value are crosses at
    the bottom.

    trials: `trial`, `value` (null: failed or cut), as a TuningResult has it.
    """
    known = trials.drop_nulls("value").sort("trial")
    without = trials.filter(pl.col("value").is_null())
    note = f"{trials.height} trials, {without.height} without a value; trial 0 is the declared setting"
    figure, (axes,) = new_figure("Hyperparameter search", note)
    values = known["value"].to_numpy()
    best = np.maximum.accumulate(values) if is_higher_better else np.minimum.accumulate(values)
    axes.plot(known["trial"].to_numpy(), values, "o", color=BLUE, markersize=5, label="trial")
    axes.step(known["trial"].to_numpy(), best, where="post", color=ORANGE, label="best so far")
    if without.height:
        bottom = np.full(without.height, axes.get_ylim()[0])
        axes.plot(without["trial"].to_numpy(), bottom, "x", color=VERMILION, label="failed or cut")
    axes.set(xlabel="trial", ylabel=f"validation {metric}")
    axes.locator_params(axis="x", integer=True)
    legend(axes)
    return to_png(figure)


def importance_bars(contributions: pl.DataFrame) -> bytes:
    """Draw the mean absolute contribution of the fifteen strongest features."""
    importance = contribution_importance(contributions)
    shown = importance.head(_FEATURES).reverse()
    note = f"mean absolute SHAP value over {contributions.height:,} rows; {_shown(importance.height)}"
    figure, (axes,) = new_figure("What the model uses", note, height=1.3 + 0.25 * shown.height)
    places = np.arange(shown.height)
    bars = axes.barh(places, shown["contribution"].to_numpy(), color=BLUE, height=0.7)
    axes.bar_label(bars, [f"{share:.0%}" for share in shown["share"]], fontsize=8.5, padding=3)
    axes.set_yticks(places, shown["feature"].to_list(), parse_math=False)
    axes.set(xlabel="mean |contribution| (log-odds)")
    axes.margins(x=0.1)
    axes.grid(visible=False, axis="y")
    return to_png(figure)


def contribution_summary(contributions: pl.DataFrame, features: pl.DataFrame, *, seed: int = 0) -> bytes:
    """Draw single contributions of the strongest features, coloured by the feature's value (rank; grey:
    missing).

    Both frames have the same rows in the same order; a seeded sample of them is drawn.
    """
    importance = contribution_importance(contributions)
    names = importance["feature"].head(_FEATURES).to_list()[::-1]
    generator = np.random.default_rng(seed)
    size = min(contributions.height, _POINTS_PER_FEATURE)
    rows = np.sort(generator.choice(contributions.height, size=size, replace=False))
    note = (
        f"{size:,} of {contributions.height:,} rows; colour: the feature's value; {_shown(importance.height)}"
    )
    figure, (axes,) = new_figure("How features move the score", note, height=1.5 + 0.27 * len(names))
    axes.axvline(0, color=GREY, linewidth=1)
    points = None
    for place, name in enumerate(names):
        x = contributions[name].to_numpy()[rows]
        ranks = features[name].rank("average").to_numpy()[rows] / max(features[name].count(), 1)
        y = place + _swarm(x, generator)
        axes.scatter(x, y, s=7, color=GREY, linewidths=0)
        known = ~np.isnan(ranks)
        points = axes.scatter(
            x[known], y[known], s=7, c=ranks[known], cmap="cividis", vmin=0, vmax=1, linewidths=0
        )
    axes.set_yticks(np.arange(len(names)), names, parse_math=False)
    axes.set(xlabel="contribution to the log-odds", ylim=(-0.7, len(names) - 0.3))
    axes.grid(visible=False, axis="y")
    if points is not None:
        bar = figure.colorbar(points, ax=axes, ticks=[0, 1], aspect=40, pad=0.01, fraction=0.025)
        bar.ax.set_yticklabels(["low", "high"], fontsize=8.5)
    return to_png(figure)


def _swarm(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Vertical offsets that are wide where many points are, as in a violin."""
    counts, edges = np.histogram(x, bins=40)
    density = counts[np.clip(np.digitize(x, edges) - 1, 0, 39)] / max(counts.max(), 1)
    return generator.uniform(-0.38, 0.38, size=len(x)) * np.sqrt(density)


def _shown(count: int) -> str:
    return f"{min(count, _FEATURES)} of {count} features"
