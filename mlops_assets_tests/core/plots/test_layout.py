"""Margins that are as wide as the labels in them."""

import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mlops_assets.core.plots.style import new_figure, to_png

INK = 200
"""A pixel that is darker is text or a line."""


def edges(png: bytes) -> dict[str, bool]:
    """Whether anything is drawn within three pixels of each edge; below the title, where the top is meant."""
    ink = np.asarray(Image.open(io.BytesIO(png)).convert("L")) < INK
    return {
        "left": bool(ink[60:, :3].any()),
        "right": bool(ink[:, -3:].any()),
        "bottom": bool(ink[-3:].any()),
    }


def drawn(name: str, *, rows: int = 1) -> tuple[Figure, list[Axes], bytes]:
    """A figure with labels of a given length on its axes, drawn."""
    figure, axes = new_figure("Title", "note", rows=rows)
    for one in axes:
        one.barh([0, 1], [1, 2])
        one.set_yticks([0, 1], [name, "x"])
        one.set(xlabel="rows", ylabel="y")
    return figure, axes, to_png(figure)


@pytest.mark.parametrize("name", ["short", "a name of some forty letters, which is long"])
@pytest.mark.parametrize("rows", [1, 2])
def test_no_label_is_cut_off(name: str, rows: int):
    assert edges(drawn(name, rows=rows)[2]) == {"left": False, "right": False, "bottom": False}


def test_longer_labels_get_wider_margins_and_short_ones_waste_none():
    (_, (short,), _), (_, (long,), _) = drawn("short"), drawn("a name of some forty letters, which is long")
    assert short.get_position().x0 < 0.15
    assert long.get_position().x0 > short.get_position().x0 + 0.2


def test_rows_do_not_overlap_and_stay_below_the_title():
    figure, (upper, lower), _ = drawn("short", rows=2)
    boxes = [box for axes in (upper, lower) if (box := axes.get_tightbbox()) is not None]
    assert boxes[0].y0 > boxes[1].y1
    assert boxes[0].y1 < min(text.get_window_extent().y0 for text in figure.texts)


def test_a_colour_bar_has_room_for_its_labels_at_the_right():
    figure, (axes,) = new_figure("Title", "note")
    points = axes.scatter([0, 1], [0, 1], c=[0, 1])
    figure.colorbar(points, ax=axes, fraction=0.025).ax.set_yticks([0, 1], ["low", "a long label"])
    assert not edges(to_png(figure))["right"]
    assert axes.get_position().width > 0.6


def test_an_exponent_above_an_axis_stays_clear_of_the_note():
    figure, (axes,) = new_figure("Title", "note")
    axes.plot([0, 1], [0, 3e9])
    to_png(figure)
    exponent = axes.yaxis.get_offset_text().get_window_extent()
    assert axes.yaxis.get_offset_text().get_text()
    assert exponent.y1 < min(text.get_window_extent().y0 for text in figure.texts)
