"""Derives the feature vectors of captured requests again, by the offline executor, as of each request's own time.

What the platform knew is the lakehouse, each row from its own `known_at` on, and the captured events, each from the
`known_at` that it was captured with. Where both hold an event, the captured one is what later requests could see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.contracts.lossless import Cast, cast_rows
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.seen_events import seen_events
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import KNOWN_AT


@dataclass(frozen=True)
class Replay:
    """The rows from which vectors are derived, and the view that derives them."""

    view: FeatureView
    events: pl.DataFrame
    """Event versions: the view's input columns and `is_captured`. No version differs from another at one `known_at`."""
    labels: pl.DataFrame | None
    """None when no feature aggregates labels."""

    @property
    def time(self) -> str:
        """The column of the event's own time."""
        return str(self.view.event_timestamp)

    def vectors(self, ids: pl.Series, names: Sequence[str]) -> np.ndarray:
        """Derive the features `names` of the events `ids`: float64, one row per id in their order; null is NaN.

        Raises: FeatureError as `compute_features` does.
        """
        key, start, end = self.view.id_column, None, None
        if self.view.event_timestamp is not None:
            asked = self.events.filter(pl.col(key).is_in(ids.implode())).select(
                start=pl.col(self.time).min(), end=pl.col(self.time).max() + pl.duration(microseconds=1)
            )
            start, end = asked.row(0)
        derived = compute_features(self.view, self.events, self.labels, start=start, end=end)
        rows = ids.to_frame(key).join(derived, on=key, how="left", maintain_order="left")
        return rows.select(pl.col(name).cast(pl.Float64) for name in names).to_numpy(order="c")

    def about(self, ids: pl.Series) -> "Replay":
        """The same replay with only the rows that the windows of the events `ids` can reach."""
        key = self.view.id_column
        asked = self.events.filter(pl.col(key).is_in(ids.implode()))
        entities = dict.fromkeys(feature.entity for feature in self.view.window_features)
        is_near = pl.col(key).is_in(ids.implode())
        for entity in entities:
            is_near |= pl.col(entity).is_in(asked[entity].drop_nulls().implode())
        events = self.events.filter(is_near)
        labels = self.labels
        if labels is not None:
            labels = labels.filter(pl.col(key).is_in(events[key].implode()))
        return Replay(self.view, events, labels)


def captured_events(
    view: FeatureView, captured: pl.DataFrame, *, dtypes: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Return the events of captured predictions, each once: the view's input columns in the types `dtypes`.

    An event that several versions scored, or that was sent twice, comes once. Of contradicting copies of an event the
    one that was known first stays. An event with a value that `dtypes` does not hold, asked under an earlier contract,
    is left out.

    Raises: MonitoringError for a request that is not what the view reads.
    """
    key, time = view.id_column, view.event_timestamp
    columns = [name for name in view.input_columns if name != KNOWN_AT]
    wire = {name: _wire_type(dtypes[name]) for name in columns}
    try:
        decoded = captured.select(
            pl.col("request").str.json_decode(pl.Struct(wire)).alias("request"),
            *([KNOWN_AT] if time else []),
            "received_at",
        ).unnest("request")
    except pl.exceptions.PolarsError as error:
        raise MonitoringError(f"view {view.name}: captured requests cannot be read: {error}") from error
    events = _typed(decoded, {name: dtypes[name] for name in columns})
    order = [KNOWN_AT, "received_at"] if time else ["received_at"]
    events = events.sort(key, *order)
    if time is None:
        return events.unique(key, keep="first", maintain_order=True).select(columns)
    first = events.filter(pl.col(time) == pl.col(time).first().over(key))
    return first.unique([key, KNOWN_AT], keep="first", maintain_order=True).select(view.input_columns)


def _wire_type(dtype: pl.DataType) -> pl.DataType:
    """The widest type of the kind in which a request carries a column; times are microseconds."""
    if isinstance(dtype, pl.Datetime) or dtype.is_integer():
        return pl.Int64()
    if dtype.is_float():
        return pl.Float64()
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def _typed(decoded: pl.DataFrame, dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows whose values all fit their types, in these types."""
    fits = pl.Series("fits", [True]).new_from_index(0, decoded.height)
    values = []
    for name, dtype in dtypes.items():
        found = decoded[name]
        if isinstance(dtype, pl.Datetime):
            values.append(found.cast(dtype))
            continue
        cast = cast_rows(found, dtype)
        if cast is None:  # a Float64 of an earlier contract, where a Float32 stands now
            cast = Cast(found.cast(dtype, strict=False), pl.Series([False]).new_from_index(0, found.len()))
        values.append(cast.values)
        fits &= ~cast.lost
    return decoded.with_columns(values).filter(fits)


def replay_of(
    view: FeatureView, history: pl.DataFrame, captured: pl.DataFrame, labels: pl.DataFrame | None
) -> Replay:
    """Unite the lakehouse's events with the captured ones (see `captured_events`).

    What counts of an event that both have, `seen_events` says.
    """
    events = seen_events(view, history, captured)
    return Replay(view, events, None if view.event_timestamp is None else labels)
