"""Makes room for the labels around axes: by the text that stands there, measured once.

Matplotlib's constrained layout measures everything in a figure twice, which takes as long as drawing it.
"""

from typing import TYPE_CHECKING

from matplotlib.layout_engine import LayoutEngine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_PAD = 0.08
"""Inches between what is drawn and the edge of the figure, or the next axes."""
_TICK = 0.1
"""Inches of a tick and the space beside it."""
_RIGHT = 0.2
"""Inches at the right end, for half of the last tick's label."""


class RoomForLabels(LayoutEngine):
    """Fits the margins of a grid of axes to their tick labels and axis labels; `head` inches above stay free."""

    _adjust_compatible = True
    _colorbar_gridspec = True

    def __init__(self, *, head: float) -> None:
        super().__init__()
        self._head = head

    def execute(self, fig: "Figure") -> None:
        """Set the margins; called by Matplotlib before it draws."""
        width, height = fig.get_size_inches()
        shown = [axes for axes in fig.axes if axes.get_visible()]
        left = max(_beside(axes) for axes in shown)
        right = max([_RIGHT, *(_at_the_right(axes) for axes in shown)])
        below = {axes: _below(axes) for axes in shown}
        lowest = max(below[axes] for axes in shown if _is_last_row(axes))
        between = max([_PAD, *(below[axes] for axes in shown if not _is_last_row(axes))]) + _PAD
        top, bottom = height - self._head - max(_above(axes) for axes in shown), lowest
        rows, columns = _grid(shown[0])
        fig.subplots_adjust(
            left=left / width,
            right=1 - right / width,
            top=top / height,
            bottom=bottom / height,
            hspace=_share(between, top - bottom, rows),
            wspace=_share(left, width - left - right, columns),
        )


def _share(gap: float, total: float, count: int) -> float:
    """The gap as Matplotlib wants it: as a share of the mean extent of `count` axes."""
    return gap * count / max(total - gap * (count - 1), 0.1)


def _grid(axes: "Axes") -> tuple[int, int]:
    place = axes.get_subplotspec()
    if place is None:
        return 1, 1
    rows, columns = place.get_topmost_subplotspec().get_gridspec().get_geometry()
    return rows, columns


def _is_last_row(axes: "Axes") -> bool:
    place = axes.get_subplotspec()
    return place is None or place.get_topmost_subplotspec().is_last_row()


def _beside(axes: "Axes") -> float:
    if axes.yaxis.get_ticks_position() == "right":
        return 0.0
    return _room(axes.yaxis, extent="width")


def _at_the_right(axes: "Axes") -> float:
    if axes.yaxis.get_ticks_position() != "right":
        return 0.0
    return _room(axes.yaxis, extent="width")


def _below(axes: "Axes") -> float:
    return _room(axes.xaxis, extent="height")


def _above(axes: "Axes") -> float:
    """An exponent that all labels of the axis share stands above it."""
    return _PAD if not axes.yaxis.get_offset_text().get_text() else 3 * _PAD


def _room(axis: "Axis", *, extent: str) -> float:
    """Inches that the axis' ticks, their labels and its own label take beside the axes, with padding."""
    dpi = axis.axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    texts = [text for text in axis.get_ticklabels(which="both") if text.get_visible() and text.get_text()]
    room = max((getattr(text.get_window_extent(), extent) for text in texts), default=0.0) / dpi
    if texts:
        room += _TICK
    if axis.label.get_text() and axis.label.get_visible():
        room += getattr(axis.label.get_window_extent(), extent) / dpi + _PAD
    return room + _PAD
