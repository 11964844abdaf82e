"""The online state of each entity: made from history, and joined with what was served since."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.entity_state import LONG_AGO, EntityState, empty_state
from mlops_assets.core.features.online.history import history, states_of
from mlops_assets.core.features.online.layout import (
    ALLOWED_LATENESS,
    EVENT_TIME,
    LABEL_TIME,
    EntityLayout,
    empty_key,
    empty_layout,
    entity_layouts,
)
from mlops_assets.core.features.online.merge import merged_state
from mlops_assets.core.features.online.seen_events import IS_CAPTURED, seen_events
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import KNOWN_AT, MICROSECOND, as_microseconds


def build_states(
    view: FeatureView,
    events: pl.DataFrame,
    labels: pl.DataFrame | None,
    *,
    as_of: datetime,
    lateness: timedelta = ALLOWED_LATENESS,
    served: pl.DataFrame | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Make the states that answer events from `as_of` less `lateness` on, of the rows that were known before `as_of`.

    Yields key and state: first that of `empty_key`, which stands for every entity without rows, then one per entity.
    `events` needs the rows from `as_of - lateness - view.lookback` on, in the view's input columns; older ones are left
    out. `labels` may be None when no feature aggregates labels. `served` are events that services answered, in the same
    columns and as they were captured, also those since `as_of`; see `seen_events`.

    view, events, labels: what is counted, in which rows. as_of: the time of knowledge. lateness: how much older than
    `as_of` an event may be that is still answered. served: None where the store holds them already.

    Raises: FeatureError as `compute_features` does, and for ids that are neither integers of 64 bits nor texts.
    """
    is_known = pl.col(KNOWN_AT) < as_of
    is_recent = pl.col(str(view.event_timestamp)) > as_of - lateness - view.lookback
    labels = None if labels is None else labels.filter(is_known)
    events = events.filter(is_known & is_recent)
    if served is not None:
        events = seen_events(view, events, served.filter(is_recent)).drop(IS_CAPTURED)
    known = history(view, events, labels)
    horizon = as_microseconds(as_of) - lateness // MICROSECOND
    yield empty_key(view), empty_state(horizon)
    for layout in entity_layouts(view):
        yield from states_of(view, layout, known, horizon=horizon)


def merge_state(view: FeatureView, key: str, stored: bytes, loaded: bytes) -> bytes:
    """Join the state that a store holds under `key` with one that `build_states` made of later history.

    Events that arrived online stay, as they were known then; rows, labels and corrections that the lakehouse learned
    meanwhile come in with the lakehouse's own times. Where both have an event, the first version is that of the store.
    Rows that no event after the newer horizon can reach are dropped. Merging the same state again changes nothing.
    Either may be b"", which leaves the other.

    Raises: OnlineStoreError for a key of another view, or a state that is none of ours.
    """
    layout = _layout_of(view, key)
    if not stored or not loaded:
        return stored or loaded
    return merged_state(layout, stored, loaded)


def horizon_of(empty: bytes) -> int:
    """Return from when on events can be answered, in microseconds, of the state under `empty_key`."""
    return EntityState(empty_layout(), empty).horizon


def is_out_of_reach(view: FeatureView, key: str, content: bytes, *, horizon: int) -> bool:
    """Tell whether no event from `horizon` on sees a row of this state: then its entity is as one without rows.

    A state of another view is not judged, and within reach. Events before the horizon of the last load are refused,
    those of an entity that had rows among them.

    Raises: OnlineStoreError for a state that is none of ours.
    """
    layout = next((one for one in entity_layouts(view) if key.endswith(f"@{one.tag}")), None)
    if layout is None:
        return False
    state = EntityState(layout, content)
    rows = [*state.event_column(EVENT_TIME)[-1:], *state.label_column(LABEL_TIME)[-1:]]
    newest = max(rows, default=LONG_AGO)
    return newest <= horizon - layout.lookback and state.asked_until <= horizon


def _layout_of(view: FeatureView, key: str) -> EntityLayout:
    if key == empty_key(view):
        return empty_layout()
    for layout in entity_layouts(view):
        if key.startswith(f"{layout.entity}=") and key.endswith(f"@{layout.tag}"):
            return layout
    raise OnlineStoreError(
        f"view {view.name}: {key} is the state of another view: load online_features again"
    )
