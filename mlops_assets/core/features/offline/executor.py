"""The offline executor of feature views: history in, one feature vector per event out, as of its own time."""

from datetime import datetime

import numpy as np
import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.groups import compute_entity
from mlops_assets.core.features.offline.rows import Rows, event_rows, label_rows
from mlops_assets.core.features.view import FeatureView, Stream
from mlops_assets.core.times import as_microseconds


def compute_features(
    view: FeatureView,
    events: pl.DataFrame,
    labels: pl.DataFrame | None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """Compute the features of the events whose event time is in [start, end), each as of its own time.

    One row per event: id, event time (not for a cohort), then the features in the view's order, sorted by
    event time and id. Rows of `events` before `start` are history: they are seen by windows but get no
    vector. So history of any length can be computed piece by piece: each piece needs the rows from the view's
    `lookback` before its start on. `labels` (id, label column, known_at) may be None when no feature aggregates
    labels. Null means what each feature's `null_means` says.

    Raises: FeatureError for a missing column, a wrong type, a null id or time, clashing versions of a row, an
    infinite value in a window, or an unknown category.
    """
    if view.event_timestamp is None:
        return _cohort_features(view, events, is_sliced=(start, end) != (None, None))
    rows = event_rows(view, events)
    asked = _asked(rows, start, end)
    windows = _window_features(view, rows, labels, asked)
    asked_rows = rows.frame if asked is None else rows.frame[asked]
    return _assemble(view, asked_rows, windows, keys=[view.id_column, view.event_timestamp])


def _asked(rows: Rows, start: datetime | None, end: datetime | None) -> np.ndarray | None:
    """Positions of the events that get a vector; None when all do."""
    if start is None and end is None and rows.superseded_at is None:
        return None
    is_asked = rows.is_first_version()
    if start is not None:
        is_asked &= rows.event_time >= as_microseconds(start)
    if end is not None:
        is_asked &= rows.event_time < as_microseconds(end)
    return np.flatnonzero(is_asked)


def _cohort_features(view: FeatureView, rows: pl.DataFrame, *, is_sliced: bool) -> pl.DataFrame:
    if is_sliced:
        raise FeatureError(f"view {view.name} is a cohort: it has no time axis to cut by start and end")
    missing = [column for column in view.input_columns if column not in rows.columns]
    if missing:
        raise FeatureError(
            f"view {view.name}: rows lack {', '.join(missing)}; they have {', '.join(rows.columns)}"
        )
    ids = rows[view.id_column]
    if ids.null_count() or ids.n_unique() < ids.len():
        repeated = rows.filter(ids.is_null() | ids.is_duplicated())[view.id_column]
        raise FeatureError(
            f"view {view.name}: {view.id_column} must be unique and not null, but see {repeated[0]!r}"
        )
    return _assemble(view, rows.sort(view.id_column), {}, keys=[view.id_column])


def _assemble(
    view: FeatureView, rows: pl.DataFrame, windows: dict[str, pl.Series], *, keys: list[str]
) -> pl.DataFrame:
    inputs = rows.with_columns(series.alias(name) for name, series in windows.items())
    features = windows | {f.name: f.expression.over(inputs).alias(f.name) for f in view.row_features}
    return rows.select(keys).with_columns(features[name] for name in view.feature_names)


def _window_features(
    view: FeatureView, events: Rows, labels: pl.DataFrame | None, asked: np.ndarray | None
) -> dict[str, pl.Series]:
    """All window features of the asked events, which are positions among the event versions."""
    streams: dict[Stream, Rows] = {"events": events}
    if view.needs_labels:
        streams["labels"] = label_rows(view, labels, events)
    result: dict[str, pl.Series] = {}
    for entity in dict.fromkeys(feature.entity for feature in view.window_features):
        features = [feature for feature in view.window_features if feature.entity == entity]
        read = {feature.stream for feature in features} | {"events"}
        result |= compute_entity(features, {name: streams[name] for name in streams if name in read}, asked)
    return result
