"""How every picture looks: size, colours, fonts, and its encoding as PNG bytes.

Figures are made without pyplot, which keeps global state and is not safe between threads.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DPI = 7.0, 4.5, 90
"""Inches, inches, pixels per inch: a picture travels inside an event, so it stays below some 60 kB."""

# Okabe & Ito (2008), Color Universal Design: told apart under the common colour blindnesses.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#222222", "#8A8F98"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK, YELLOW)
"""First the candidate's colour."""
LINE_STYLES = ("-", "--", "-.", ":")
_GRID = "#E3E6EA"
_PROBABILITY_TICKS = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_NEAREST = 1e-6
"""Probabilities are drawn no nearer to 0 and 1 than this."""


def new_figure(
    title: str, note: str, *, columns: int = 1, rows: int = 1, height: float = HEIGHT, **options: object
) -> "tuple[Figure, list[Axes]]":
    """Make a figure with a title, a grey line beneath it (what the numbers rest on), and axes in reading
    order.

    note: the text of the line. columns, rows: of the grid of axes. height: of one row, in inches. options: for
    `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    from mlops_assets.core.plots.layout import RoomForLabels

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=RoomForLabels(head=0.52))
    figure.text(0.012, 1 - 0.07 / height, title, fontsize=12, fontweight="bold", color=BLACK, va="top")
    figure.text(0.012, 1 - 0.31 / height, note, fontsize=8.5, color="#5A6069", va="top")
    axes = figure.subplots(rows, columns, squeeze=False, **options)  # type: ignore[arg-type]
    flat = list(axes.flat)
    for one in flat:
        _style(one)
    return figure, flat


def to_png(figure: "Figure") -> bytes:
    """Encode without time or version, so that the same data give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def legend(axes: "Axes", **options: object) -> None:
    """Add a legend in the platform's style."""
    shown = axes.legend(fontsize=8.5, frameon=True, **options)  # type: ignore[arg-type]
    shown.get_frame().set(edgecolor=_GRID, alpha=0.9)


def log_odds_histograms(
    axes: "Axes", samples: Mapping[str, npt.NDArray[np.float64]], *, colours: Sequence[str]
) -> None:
    """Draw the share of rows per interval of the predicted probability, on a log-odds scale, one outline
    each.

    A linear scale would show rare outcomes as one bar at zero.
    """
    logits = {name: _logit(values) for name, values in samples.items()}
    joined = np.concatenate([*logits.values()])
    joined = joined if len(joined) else np.zeros(1)
    edges = np.linspace(joined.min() - 0.1, joined.max() + 0.1, 46)
    for (name, values), colour in zip(logits.items(), colours, strict=True):
        share = np.histogram(values, bins=edges)[0] / max(len(values), 1)
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(share, edges, color=colour, linewidth=1.6, label=name)
    ticks = [p for p in _PROBABILITY_TICKS if edges[0] <= float(_logit(np.array(p))) <= edges[-1]]
    axes.set_xticks(_logit(np.array(ticks)), [f"{p:g}" for p in ticks])
    axes.set(xlabel="predicted probability (log-odds scale)", ylabel="share of rows", ylim=(0, None))
    legend(axes)


def _logit(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    clipped = np.clip(probabilities, _NEAREST, 1 - _NEAREST)
    return np.log(clipped / (1 - clipped))


def _style(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, color=GREY, labelcolor=BLACK)
    axes.xaxis.label.set_fontsize(9.5)
    axes.yaxis.label.set_fontsize(9.5)
