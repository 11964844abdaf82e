"""A state that a store holds, joined with one of the same entity that was made of later history."""

from array import array
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple

from mlops_assets.core.features.online.entity_state import (
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_TEXT_IDS,
    HAS_VERSIONS,
    LONG_AGO,
    NEVER,
    EntityState,
    StateHeader,
    pack_state,
    totals_of,
)
from mlops_assets.core.features.online.layout import (
    EVENT_DIGEST,
    EVENT_ID,
    EVENT_KNOWN,
    EVENT_TIME,
    EVENT_VALUES,
    LABEL_ID,
    LABEL_KNOWN,
    LABEL_TIME,
    LABEL_VALUES,
    EntityLayout,
)

_Row = tuple[int, ...]
"""Words of an event, time, id and known time first, or of a label likewise: rows sort as states have them."""


def merged_state(layout: EntityLayout, stored: bytes, loaded: bytes) -> bytes:
    """Join two states; `states.merge_state` says how."""
    old, new = EntityState(layout, stored), EntityState(layout, loaded)
    header = StateHeader(max(old.horizon, new.horizon), max(old.asked_until, new.asked_until))
    merged = _merged_plainly(header, old, new)
    return _merged_by_version(header, old, new) if merged is None else merged


def _merged_plainly(header: StateHeader, old: EntityState, new: EntityState) -> bytes | None:
    """Join states whose rows all have one version and agree where both have one; None for others.

    That is nearly every state, and a tenth of the time that versions take.
    """
    layout, flags = old.layout, old.flags | new.flags
    if flags & ~HAS_NULLS or layout.has_objects:
        return None
    old_events, new_events = _rows(old, is_labels=False), _rows(new, is_labels=False)
    known = {row[1]: row for row in old_events}
    for row in new_events:
        other = known.setdefault(row[1], row)
        if other[0] != row[0] or other[EVENT_VALUES:] != row[EVENT_VALUES:]:
            return None
    labels = {row[1:3]: row for row in chain(_rows(new, is_labels=True), _rows(old, is_labels=True))}
    if len(set(map(itemgetter(0), labels))) < len(labels):
        return None
    oldest = header.horizon - layout.lookback
    events = sorted(row for row in known.values() if row[0] > oldest)
    kept = sorted(row for row in labels.values() if row[0] > oldest)
    return pack_state(
        header,
        flags=flags,
        counts=(len(events), len(kept)),
        latest_known=(_latest_known(events), _latest_known(kept)),
        event_width=layout.event_width,
        words=[*_words(events, layout.event_totals), *_words(kept, layout.label_totals)],
        tail=None,
    )


def _rows(state: EntityState, *, is_labels: bool) -> list[_Row]:
    if is_labels:
        order = (LABEL_TIME, LABEL_ID, LABEL_KNOWN, *range(LABEL_VALUES, state.layout.label_width))
        return list(zip(*map(state.label_column, order), strict=True))
    order = (EVENT_TIME, EVENT_ID, EVENT_KNOWN, *range(EVENT_DIGEST, state.layout.event_width))
    return list(zip(*map(state.event_column, order), strict=True))


def _latest_known(rows: list[_Row]) -> int:
    return max(map(itemgetter(2), rows), default=LONG_AGO)


def _words(rows: list[_Row], totals: range) -> list[bytes]:
    """The columns of the rows, in the order of states; those in `totals` as totals."""
    columns = list(zip(*rows, strict=True))
    columns[1:3] = columns[2:0:-1]
    return [_column(column, is_total=at in totals) for at, column in enumerate(columns)]


def _column(values: Sequence[int], *, is_total: bool) -> bytes:
    return (totals_of(values) if is_total else array("q", values)).tobytes()


def _merged_by_version(header: StateHeader, old: EntityState, new: EntityState) -> bytes:
    """Join versions one by one."""
    oldest = header.horizon - old.layout.lookback
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
    return _packed(old.layout, header, events, kept)


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
    of_events = [
        [e.time for e in events],
        [e.known_at for e in events],
        [0] * len(events) if is_text else event_ids,
        [e.digest for e in events],
        *([e.words[at] for e in events] for at in range(layout.events.words)),
        *([[e.superseded_at for e in events]] if flags & HAS_VERSIONS else []),
    ]
    of_labels = [
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
        event_width=layout.event_width + (1 if flags & HAS_VERSIONS else 0),
        words=[
            *(_column(values, is_total=at in layout.event_totals) for at, values in enumerate(of_events)),
            *(_column(values, is_total=at in layout.label_totals) for at, values in enumerate(of_labels)),
        ],
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
