"""Which windows of one entity are answered together, and where each value belongs: declarations, made ready to run.

A group is what shares stream and delay: its windows end at the same row, so that they are nested slices of a column.
"""

from dataclasses import dataclass
from datetime import timedelta

from mlops_assets.core.features.online.layout import EVENT_VALUES, LABEL_VALUES, EntityLayout, StreamColumns
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets.core.times import MICROSECOND


@dataclass(frozen=True, slots=True)
class WindowCell:
    """One feature of one window: which slice it aggregates and where its value belongs."""

    window: int
    """Position among the windows of the group."""
    place: int
    includes_current: bool
    is_mean: bool
    divisor: int
    """What makes a value of its scaled integer."""
    when_empty: float | None


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """The features of a group that are computed of one column in one pass."""

    kind: str
    """rows, count, total, min, max, last or distinct; a total is what sums and means are made of."""
    position: int
    """Of the column among those of its sort in the stream; 0 for rows."""
    word: int
    """Of the column among the words of a row; meaningless for rows and distinct."""
    cells: tuple[WindowCell, ...]

    @property
    def takes_current(self) -> bool:
        """Whether the event's own values, which are those of the events' columns, are looked at."""
        return any(cell.includes_current for cell in self.cells)

    @property
    def windows(self) -> tuple[int, ...]:
        """The windows that are read, shortest first."""
        return tuple(sorted({cell.window for cell in self.cells}))


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The asked window features over one entity that share stream and delay."""

    is_labels: bool
    delay: int
    """Microseconds, as are the windows."""
    windows: tuple[int, ...]
    """Shortest first."""
    columns: tuple[ColumnCells, ...]
    objects_from: int
    """Where the stream's columns of objects begin in a state's tail."""


def group_plans(view: FeatureView, layout: EntityLayout, places: dict[str, int]) -> tuple[GroupPlan, ...]:
    """The groups of an entity that the features in `places` need; a feature's value is written to its place."""
    grouped: dict[tuple[str, timedelta], list[WindowFeature]] = {}
    for feature in view.window_features:
        if feature.entity == layout.entity and any(
            feature.feature_name(w) in places for w in feature.windows
        ):
            grouped.setdefault((feature.stream, feature.delay), []).append(feature)
    return tuple(_plan(features, layout, places) for features in grouped.values())


def _plan(features: list[WindowFeature], layout: EntityLayout, places: dict[str, int]) -> GroupPlan:
    is_labels = features[0].stream == "labels"
    windows = sorted({w for f in features for w in f.windows if f.feature_name(w) in places})
    columns = layout.labels if is_labels else layout.events
    by_column: dict[tuple[str, str | None, int], list[WindowFeature]] = {}
    for feature in features:
        by_column.setdefault(_shared(feature), []).append(feature)
    cells = []
    for (kind, column, decimals), of_column in by_column.items():
        position = _position(columns, kind, column, decimals)
        first = (LABEL_VALUES if is_labels else EVENT_VALUES) + position
        word = first + (len(columns.numbers) if kind == "total" else 0)
        of_windows = [
            _cell(feature, windows.index(window), places[feature.feature_name(window)])
            for feature in of_column
            for window in feature.windows
            if feature.feature_name(window) in places
        ]
        cells.append(ColumnCells(kind, position, word, tuple(of_windows)))
    lengths = tuple(window // MICROSECOND for window in windows)
    objects_from = 2 + (len(layout.events.objects) if is_labels else 0)
    return GroupPlan(is_labels, features[0].delay // MICROSECOND, lengths, tuple(cells), objects_from)


def _cell(feature: WindowFeature, window: int, place: int) -> WindowCell:
    empty = feature.when_empty
    return WindowCell(
        window,
        place,
        includes_current=feature.includes_current,
        is_mean=feature.aggregation == "mean",
        divisor=10**feature.decimals,
        when_empty=None if empty is None else float(empty),
    )


def _shared(feature: WindowFeature) -> tuple[str, str | None, int]:
    """Features with the same of this are computed in one pass."""
    if feature.aggregation == "count":
        return ("rows" if feature.column is None else "count", feature.column, 0)
    if feature.aggregation in ("sum", "mean"):
        return ("total", feature.column, feature.decimals)
    return (feature.aggregation, feature.column, 0)


def _position(columns: StreamColumns, kind: str, column: str | None, decimals: int) -> int:
    if column is None:
        return 0
    if kind == "total":
        return columns.scaled.index((column, decimals))
    return (columns.objects if kind == "distinct" else columns.numbers).index(column)
