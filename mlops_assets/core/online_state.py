"""The online state of each entity: made from history, and joined with what was served since.

What must not live here: the bytes of a state (`online_layout`), columns of history (`online_history`), tables and
stores, answering a request (`online_features`).
"""

from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

import polars as pl

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.feature_rows import as_microseconds
from mlops_assets.core.feature_view import KNOWN_AT, FeatureView
from mlops_assets.core.online_history import history, states_of
from mlops_assets.core.online_layout import (
    ALLOWED_LATENESS,
    EVENT_KNOWN,
    EVENT_TIME,
    EVENT_VALUES,
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_TEXT_IDS,
    HAS_VERSIONS,
    LABEL_KNOWN,
    LABEL_TIME,
    LABEL_VALUES,
    LONG_AGO,
    NEVER,
    EntityLayout,
    EntityState,
    StateHeader,
    empty_key,
    empty_layout,
    entity_layouts,
    pack_state,
)

_MICROSECOND = timedelta(microseconds=1)


def build_states(
    view: FeatureView,
    events: pl.DataFrame,
    labels: pl.DataFrame | None,
    *,
    as_of: datetime,
    lateness: timedelta = ALLOWED_LATENESS,
) -> Iterator[tuple[str, bytes]]:
    """Make the states that answer events from `as_of` less `lateness` on, of the rows that were known before `as_of`.

    Yields key and state: first that of `empty_key`, which stands for every entity without rows, then one per entity.
    `events` needs the rows from `as_of - lateness - view.lookback` on, in the view's input columns; older ones are left
    out. `labels` may be None when no feature aggregates labels.

    Raises: FeatureError as `compute_features` does, and for ids that are neither integers of 64 bits nor texts.
    """
    is_known = pl.col(KNOWN_AT) < as_of
    is_recent = pl.col(str(view.event_timestamp)) > as_of - lateness - view.lookback
    labels = None if labels is None else labels.filter(is_known)
    known = history(view, events.filter(is_known & is_recent), labels)
    horizon = as_microseconds(as_of) - lateness // _MICROSECOND
    yield empty_key(view), _packed(empty_layout(), StateHeader(horizon), [], [])
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
    old, new = EntityState(layout, stored), EntityState(layout, loaded)
    header = StateHeader(max(old.horizon, new.horizon), max(old.asked_until, new.asked_until))
    oldest = header.horizon - layout.lookback
    old_events, new_events = _events(old), _events(new)
    events = [
        version
        for event_id in old_events.keys() | new_events.keys()
        for version in _merged(old_events.get(event_id, []), new_events.get(event_id, []))
        if version.time > oldest
    ]
    times = {version.row_id: version.time for version in events}
    labels = _labels(new) | _labels(old)
    kept = [label._replace(time=times[label.row_id]) for label in labels.values() if label.row_id in times]
    return _packed(layout, header, events, kept)


def _layout_of(view: FeatureView, key: str) -> EntityLayout:
    if key == empty_key(view):
        return empty_layout()
    for layout in entity_layouts(view):
        if key.startswith(f"{layout.entity}=") and key.endswith(f"@{layout.tag}"):
            return layout
    raise OnlineStoreError(
        f"view {view.name}: {key} is the state of another view: load online_features again"
    )


class _Version(NamedTuple):
    """One version of an event or of a label; labels are never superseded here, their order says it."""

    row_id: int | str
    time: int
    known_at: int
    superseded_at: int
    digest: int
    words: tuple[int, ...]
    objects: tuple[object, ...]

    def says_the_same(self, other: "_Version") -> bool:
        """Whether no window can tell the two apart."""
        return (self.words, self.objects) == (other.words, other.objects)


def _events(state: EntityState) -> dict[int | str, list[_Version]]:
    """The versions of each event, in the order in which they became known."""
    end = EVENT_VALUES + state.layout.events.words
    columns = [state.event_column(column) for column in range(end)]
    objects = state.tail()[2 : 2 + len(state.layout.events.objects)]
    rows = zip(
        state.event_ids(),
        *columns[EVENT_TIME : EVENT_KNOWN + 1],
        state.superseded_at(),
        columns[EVENT_VALUES - 1],
        _tuples(columns[EVENT_VALUES:], state.event_count),
        _tuples(objects, state.event_count),
        strict=True,
    )
    versions: dict[int | str, list[_Version]] = {}
    for row in rows:
        versions.setdefault(row[0], []).append(_Version._make(row))
    return versions


def _labels(state: EntityState) -> dict[tuple[int | str, int], _Version]:
    """The label versions by event id and known time."""
    end = LABEL_VALUES + state.layout.labels.words
    columns = [state.label_column(column) for column in range(end)]
    objects = state.tail()[2 + len(state.layout.events.objects) :]
    rows = zip(
        state.label_ids(),
        *columns[LABEL_TIME : LABEL_KNOWN + 1],
        _tuples(columns[LABEL_VALUES:], state.label_count),
        _tuples(objects, state.label_count),
        strict=True,
    )
    versions = (
        _Version(row_id, time, known, NEVER, 0, words, objects)
        for row_id, time, known, words, objects in rows
    )
    return {(version.row_id, version.known_at): version for version in versions}


def _tuples(columns: Sequence[Sequence], count: int) -> list[tuple]:
    return list(zip(*columns, strict=True)) if columns else [()] * count


def _merged(stored: list[_Version], loaded: list[_Version]) -> list[_Version]:
    """The versions of one event in one entity; each list is in the order of known times.

    What the lakehouse knew of an event before it was served is left aside, as is a version that says what held
    already, and an event that it has at another time.
    """
    if not stored or not loaded or loaded[0].time != stored[0].time:
        return stored or loaded
    if len(stored) == len(loaded) == 1 and stored[0].says_the_same(loaded[0]):
        return stored if loaded[0].superseded_at == NEVER else _changed(stored, loaded)
    return _changed(stored, loaded)


def _changed(stored: list[_Version], loaded: list[_Version]) -> list[_Version]:
    changes: dict[int, _Version | None] = {}
    for version in (*loaded, *stored):
        changes[version.known_at] = version
    for version in (*loaded, *stored):
        changes.setdefault(version.superseded_at, None)
    own = {version.known_at for version in stored}
    merged: list[_Version] = []
    for at in sorted(changes):
        if at < stored[0].known_at or at == NEVER:
            continue
        version = changes[at]
        last = merged[-1] if merged and merged[-1].superseded_at == NEVER else None
        if version is not None and last is not None and at not in own and version.says_the_same(last):
            continue
        if last is not None:
            merged[-1] = last._replace(superseded_at=at)
        if version is not None:
            merged.append(version._replace(superseded_at=NEVER))
    return merged


def _packed(
    layout: EntityLayout, header: StateHeader, events: list[_Version], labels: list[_Version]
) -> bytes:
    """The bytes of a state made of versions in any order."""
    events, labels = _in_order(events), _in_order(labels)
    flags = _flags(layout, events, labels)
    event_ids, label_ids = [e.row_id for e in events], [label.row_id for label in labels]
    is_text = bool(flags & HAS_TEXT_IDS)
    columns = [
        [e.time for e in events],
        [e.known_at for e in events],
        [0] * len(events) if is_text else event_ids,
        [e.digest for e in events],
        *([e.words[at] for e in events] for at in range(layout.events.words)),
        *([[e.superseded_at for e in events]] if flags & HAS_VERSIONS else []),
        [label.time for label in labels],
        [label.known_at for label in labels],
        [0] * len(labels) if is_text else label_ids,
        *([label.words[at] for label in labels] for at in range(layout.labels.words)),
    ]
    tail = None
    if is_text or layout.has_objects:
        tail = [event_ids if is_text else None, label_ids if is_text else None]
        tail += [[e.objects[at] for e in events] for at in range(len(layout.events.objects))]
        tail += [[label.objects[at] for label in labels] for at in range(len(layout.labels.objects))]
    return pack_state(
        header,
        flags=flags,
        counts=(len(events), len(labels)),
        latest_known=(
            max((e.known_at for e in events), default=LONG_AGO),
            max((label.known_at for label in labels), default=LONG_AGO),
        ),
        words=[array("q", column).tobytes() for column in columns],
        tail=tail,
    )


def _in_order(versions: list[_Version]) -> list[_Version]:
    return sorted(versions, key=attrgetter("time", "row_id", "known_at"))


def _flags(layout: EntityLayout, events: list[_Version], labels: list[_Version]) -> int:
    has_versions = any(e.superseded_at != NEVER for e in events)
    has_label_versions = len({label.row_id for label in labels}) < len(labels)
    has_text = bool(events) and isinstance(events[0].row_id, str)
    has_nulls = any(
        layout_columns.has_null(version.words)
        for layout_columns, versions in ((layout.events, events), (layout.labels, labels))
        for version in versions
    )
    return (
        (HAS_NULLS if has_nulls else 0)
        | (HAS_VERSIONS if has_versions else 0)
        | (HAS_LABEL_VERSIONS if has_label_versions else 0)
        | (HAS_TEXT_IDS if has_text else 0)
    )
