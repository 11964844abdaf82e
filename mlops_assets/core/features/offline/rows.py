"""The rows that feature windows aggregate: events and labels with the times between which each version holds.

The frames are checked, the versions of a row ordered, and labels joined with their events.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import KNOWN_AT, UTC_TIME

Times = np.ndarray
"""Int64 microseconds since the epoch, UTC."""
NEVER = np.int64(2**62)


@dataclass(frozen=True)
class Rows:
    """Row versions of one stream, sorted by (event time, id, known time)."""

    frame: pl.DataFrame
    """The stream's own columns."""
    event_row: np.ndarray | None
    """Position of each row's event among the event versions; None when that is the row's own position."""
    event_time: Times
    known_at: Times
    superseded_at: Times | None
    """When the next version of the same row became known, or NEVER; None when no row has a second version."""

    @cached_property
    def lateness(self) -> int:
        """The longest time, in microseconds, by which a row became known after its event time."""
        return int((self.known_at - self.event_time).max(initial=0))

    def is_first_version(self) -> np.ndarray:
        """Whether no earlier version of the same event was known; for event versions only."""
        if self.superseded_at is None:
            return np.ones(self.frame.height, dtype=bool)
        return self.frame.select(pl.first().is_first_distinct()).to_series().to_numpy()


def event_rows(view: FeatureView, events: pl.DataFrame) -> Rows:
    """The versions of the events; the first column of `frame` is the id.

    Raises: FeatureError for a missing column, a time of another type than Datetime("us", "UTC"), a null id or
    time, an event whose versions differ in event time, or two different versions with the same `known_at`.
    """
    time = str(view.event_timestamp)
    read = [view.id_column, *(c for c in view.input_columns if c != view.id_column)]
    _check_columns(view, events, stream="events", columns=read, times=[time, KNOWN_AT])
    # In one piece each column is one array; of many pieces every step that needs one would make it anew.
    frame = _sorted(events.select(read).rechunk(), by=[time, view.id_column, KNOWN_AT])
    if not _has_duplicates(frame, view.id_column):
        return Rows(frame, None, _physical(frame, time), _physical(frame, KNOWN_AT), None)
    frame = _without_repeats(view, frame, stream="events")
    moved = frame.filter(pl.col(time).n_unique().over(view.id_column) > 1)
    if moved.height:
        raise FeatureError(
            f"view {view.name}: event {moved[view.id_column][0]!r} has versions with different {time} "
            f"({', '.join(map(str, moved[time].unique().head(2)))}): a correction may not move an event"
        )
    superseded = _superseded_at(frame, view.id_column)
    return Rows(frame, None, _physical(frame, time), _physical(frame, KNOWN_AT), superseded)


def label_rows(view: FeatureView, labels: pl.DataFrame | None, events: Rows) -> Rows:
    """The versions of the labels of the given events, each for as long as a version of its event holds too.

    Labels without an event among `events` are left out.

    Raises: FeatureError for a missing frame or column, a wrong time type, a null id or time, or two different
    versions with the same `known_at`.
    """
    if labels is None:
        raise FeatureError(f"view {view.name}: features aggregate labels, but no labels were given")
    key = view.id_column
    read = [key, *(c for c in view.label_columns if c != key)]
    _check_columns(view, labels, stream="labels", columns=read, times=[KNOWN_AT])
    frame = labels.select(read)
    if frame.schema[key] != events.frame.schema[key]:
        raise FeatureError(
            f"view {view.name}: {key} is {events.frame.schema[key]} in the events, "
            f"but {frame.schema[key]} in the labels: cast one"
        )
    if events.superseded_at is None and events.frame[key].equals(frame[key]):
        known = np.maximum(_physical(frame, KNOWN_AT), events.known_at)
        return Rows(frame, None, events.event_time, known, None)
    superseded = None
    if _has_duplicates(frame, key):
        frame = _without_repeats(view, frame, stream="labels").sort(key, KNOWN_AT)
        superseded = _superseded_at(frame, key)
    event_row, label_row = _matches(events.frame[key], frame[key])
    known = np.maximum(_physical(frame, KNOWN_AT)[label_row], events.known_at[event_row])
    superseded = _earlier(superseded, label_row, events.superseded_at, event_row)
    return Rows(frame[label_row], event_row, events.event_time[event_row], known, superseded)


def _matches(event_ids: pl.Series, label_ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Positions of all pairs of equal ids, in the order of the events."""
    matched = (
        event_ids.to_frame("id")
        .with_row_index("event_row")
        .join(
            label_ids.to_frame("id").with_row_index("label_row"),
            on="id",
            how="inner",
            maintain_order="left_right",
        )
    )
    return matched["event_row"].to_numpy(), matched["label_row"].to_numpy()


def _check_columns(
    view: FeatureView, frame: pl.DataFrame, *, stream: str, columns: list[str], times: list[str]
) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise FeatureError(
            f"view {view.name}: {stream} lack {', '.join(missing)}; they have {', '.join(frame.columns)}"
        )
    for column in times:
        if frame.schema[column] != UTC_TIME:
            raise FeatureError(
                f"view {view.name}: {stream}.{column} is {frame.schema[column]}: cast it to {UTC_TIME}"
            )
    for column in (view.id_column, *times):
        if frame[column].null_count():
            example = frame.filter(pl.col(column).is_null()).row(0, named=True)
            raise FeatureError(
                f"view {view.name}: {stream}.{column} is null in {frame[column].null_count()} rows, "
                f"for example in {example}: reject them by contract"
            )


def _sorted(frame: pl.DataFrame, *, by: list[str]) -> pl.DataFrame:
    """The frame in the order of the columns, which it most often has already."""
    rows, rows_before = frame[1:], frame[:-1]
    is_after = pl.repeat(False, rows.height, eager=True)
    for column in reversed(by):
        value, before = rows[column], rows_before[column]
        is_after = (value > before) | ((value == before) & is_after)
    return frame if is_after.all() else frame.sort(by)


def _has_duplicates(frame: pl.DataFrame, column: str) -> bool:
    values = frame[column]
    is_ascending = (values[1:] > values[:-1]).all()
    return not is_ascending and values.n_unique() < values.len()


def _without_repeats(view: FeatureView, frame: pl.DataFrame, *, stream: str) -> pl.DataFrame:
    """Equal versions once.

    Raises: FeatureError when two versions that became known at the same time differ.
    """
    unique = frame.unique(maintain_order=True)
    clash = unique.filter(pl.struct(view.id_column, KNOWN_AT).is_duplicated())
    if clash.height:
        raise FeatureError(
            f"view {view.name}: {clash.height} versions of {stream} differ at the same {view.id_column} and "
            f"{KNOWN_AT}, for example {clash.row(0, named=True)}: which one holds cannot be known"
        )
    return unique


def _superseded_at(frame: pl.DataFrame, key: str) -> Times:
    """Per version the next version's known time; versions of a key must come in order of known time."""
    following = pl.col(KNOWN_AT).to_physical().shift(-1).over(key)
    return frame.select(following.fill_null(int(NEVER))).to_series().to_numpy()


def _earlier(
    left: Times | None, left_rows: np.ndarray, right: Times | None, right_rows: np.ndarray
) -> Times | None:
    sides = [times[rows] for times, rows in ((left, left_rows), (right, right_rows)) if times is not None]
    return np.minimum(*sides) if len(sides) == 2 else (sides[0] if sides else None)


def _physical(frame: pl.DataFrame, column: str) -> Times:
    return frame[column].to_physical().to_numpy()
