"""The look of pictures: small, the same bytes for the same data, and rare outcomes can be seen."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlops_assets.core.plots.style import (
    BLUE,
    ORANGE,
    WIDTH,
    legend,
    log_odds_histograms,
    new_figure,
    to_png,
)


def drawn() -> Figure:
    figure, (axes,) = new_figure("Title", "what it rests on")
    axes.plot([0, 1], [1, 0], color=BLUE, label="line")
    legend(axes)
    return figure


def test_the_same_data_give_the_same_bytes_of_a_small_png() -> None:
    first = to_png(drawn())
    assert first.startswith(b"\x89PNG")
    assert len(first) < 60_000
    assert to_png(drawn()) == first


def test_title_and_note_stand_above_the_axes() -> None:
    figure = drawn()
    assert [text.get_text() for text in figure.texts] == ["Title", "what it rests on"]
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert min(text.get_window_extent().y0 for text in figure.texts) >= axes.get_window_extent().y1 - 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3)])
def test_axes_come_in_reading_order(rows: int, columns: int) -> None:
    figure, axes = new_figure("", "", rows=rows, columns=columns)
    assert len(axes) == rows * columns
    assert figure.get_figwidth() == WIDTH
    places = [(-one.get_position().y0, one.get_position().x0) for one in axes]
    assert [(round(y, 6), round(x, 6)) for y, x in places] == sorted(
        (round(y, 6), round(x, 6)) for y, x in places
    )


def test_histograms_share_one_log_odds_axis_and_each_sums_to_one() -> None:
    _, (axes,) = new_figure("", "")
    samples = {"rare": np.full(100, 1e-4), "common": np.array([0.5, 0.9, 1.0, 0.0])}
    log_odds_histograms(axes, samples, colours=(BLUE, ORANGE))
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert {"0.0001", "0.5", "0.9"} <= set(labels)
    outlines = [patch for patch in axes.patches if patch.get_label() in samples]
    assert [round(float(np.sum(patch.get_data().values)), 9) for patch in outlines] == [1.0, 1.0]  # pyright: ignore


def test_no_rows_at_all_can_be_drawn() -> None:
    figure, (axes,) = new_figure("", "")
    log_odds_histograms(axes, {"none": np.array([])}, colours=(BLUE,))
    assert to_png(figure).startswith(b"\x89PNG")
