"""Rows of history as the columns that online states keep, entity by entity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import polars.selectors as cs

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.aggregates import as_codes, as_fixed_point, as_numbers
from mlops_assets.core.features.offline.rows import Rows, event_rows, label_rows
from mlops_assets.core.features.online.entity_state import (
    HAS_LABEL_VERSIONS,
    HAS_NULLS,
    HAS_TEXT_IDS,
    HAS_VERSIONS,
    LONG_AGO,
    NEVER,
    StateHeader,
    pack_state,
    totals_of,
)
from mlops_assets.core.features.online.executor import content_columns, content_digest
from mlops_assets.core.features.online.layout import (
    EVENT_KNOWN,
    EVENT_VALUES,
    LABEL_KNOWN,
    LABEL_VALUES,
    LARGEST_PLAIN,
    NULL,
    EntityLayout,
)
from mlops_assets.core.features.view import FeatureView, Stream, WindowFeature
from mlops_assets.core.times import KNOWN_AT

CORRECTION_DIGEST = 0
"""Stands where a content's digest would: no request equals a correction."""


@dataclass(frozen=True)
class History:
    """The rows that states are made of."""

    events: Rows
    labels: Rows | None
    """None when no feature aggregates labels."""
    ids: np.ndarray
    """Per event version."""
    digests: np.ndarray
    """Per event version, of its content."""


def history(view: FeatureView, events: pl.DataFrame, labels: pl.DataFrame | None) -> History:
    """Order the versions of events and labels.

    Raises: FeatureError as `compute_features` does, and for ids that are neither integers of 64 bits nor texts.
    """
    rows = event_rows(view, events)
    pairs = label_rows(view, labels, rows) if view.needs_labels else None
    return History(rows, pairs, _ids(view, rows.frame[view.id_column]), _digests(view, rows))


def states_of(
    view: FeatureView, layout: EntityLayout, history: History, *, horizon: int
) -> Iterator[tuple[str, bytes]]:
    """Make key and state of each entity of one kind that has rows which an event from `horizon` on can reach."""
    rows, pairs, ids, digests = history.events, history.labels, history.ids, history.digests
    keys = rows.frame[layout.entity]
    code = as_codes(keys)
    code = np.where(rows.event_time > horizon - layout.lookback, code, -1)
    code_count = int(code.max(initial=-1)) + 1
    superseded = np.full(ids.size, NEVER) if rows.superseded_at is None else rows.superseded_at
    times = [rows.event_time, rows.known_at]
    values = [*_values(view, layout, rows.frame, "events"), superseded]
    events = _Table(
        [*times, _id_words(ids), digests, *values], ids, _objects(layout.events.objects, rows.frame)
    )
    events = events.by_entity(code, code_count)
    label_events = events
    if pairs is not None:
        event = slice(None) if pairs.event_row is None else pairs.event_row
        known = pairs.frame[KNOWN_AT].to_physical().to_numpy()
        values = _values(view, layout, pairs.frame, "labels")
        objects = _objects(layout.labels.objects, pairs.frame)
        label_events = _Table([pairs.event_time, known, _id_words(ids[event]), *values], ids[event], objects)
        label_events = label_events.by_entity(code[event], code_count)
    for entity in range(code_count):
        of_events = events.rows(entity)
        if of_events.ids:
            of_labels = None if pairs is None else label_events.rows(entity)
            yield str(layout.key(keys[events.first(entity)])), _state(layout, of_events, of_labels, horizon)


@dataclass(frozen=True)
class _EntityRows:
    """One entity's rows of one stream: a line of words per column, ids, and columns of objects."""

    words: np.ndarray
    ids: Sequence[int | str]
    objects: list[list[object]]

    def without_repeats(self) -> "_EntityRows":
        """The label versions once each; they come once per version of their event."""
        first = {
            key: at
            for at, key in reversed(list(enumerate(zip(self.ids, self.words[LABEL_KNOWN], strict=True))))
        }
        at = sorted(first.values())
        objects = [[column[i] for i in at] for column in self.objects]
        return _EntityRows(self.words[:, at], [self.ids[i] for i in at], objects)

    def tail_ids(self) -> Sequence[int | str] | None:
        """Ids where they are texts."""
        return self.ids if self.ids and isinstance(self.ids[0], str) else None


class _Table:
    """All rows of one stream as columns of words; the last one of events is when they were superseded."""

    def __init__(self, columns: list[np.ndarray], ids: np.ndarray, objects: list[np.ndarray]) -> None:
        self._words, self._ids, self._objects = np.stack(columns), ids, objects
        self._order, self._starts = np.arange(ids.size), np.zeros(1, dtype=np.int64)

    def by_entity(self, code: np.ndarray, code_count: int) -> "_Table":
        """The rows by code, those of -1 left out; rows of one entity keep their order."""
        order = np.argsort(code, kind="stable")
        order = order[np.searchsorted(code[order], 0) :]
        grouped = _Table([c[order] for c in self._words], self._ids[order], [c[order] for c in self._objects])
        grouped._order, grouped._starts = order, np.searchsorted(code[order], np.arange(code_count + 1))
        return grouped

    def first(self, entity: int) -> int:
        """Where the entity's first row stood before."""
        return int(self._order[self._starts[entity]])

    def rows(self, entity: int) -> _EntityRows:
        """One entity's rows."""
        part = slice(self._starts[entity], self._starts[entity + 1])
        objects = [column[part].tolist() for column in self._objects]
        return _EntityRows(self._words[:, part], self._ids[part].tolist(), objects)


def _state(layout: EntityLayout, events: _EntityRows, labels: _EntityRows | None, horizon: int) -> bytes:
    words = events.words
    flags = HAS_TEXT_IDS if events.tail_ids() else 0
    if (words[-1] != NEVER).any() or len(set(events.ids)) < len(events.ids):
        flags |= HAS_VERSIONS
        labels = labels and labels.without_repeats()
    else:
        words = words[:-1]
    is_null = _has_null(words[EVENT_VALUES:], len(layout.events.numbers), len(layout.events.scaled))
    latest_label = LONG_AGO
    if labels is not None and labels.ids:
        latest_label = int(labels.words[LABEL_KNOWN].max())
        is_null |= _has_null(
            labels.words[LABEL_VALUES:], len(layout.labels.numbers), len(layout.labels.scaled)
        )
        flags |= HAS_LABEL_VERSIONS if len(set(labels.ids)) < len(labels.ids) else 0
    flags |= HAS_NULLS if is_null else 0
    tail = None
    if flags & HAS_TEXT_IDS or layout.has_objects:
        label_objects = labels.objects if labels else [[] for _ in layout.labels.objects]
        label_ids = labels.ids if labels else []
        is_text = bool(flags & HAS_TEXT_IDS)
        tail = [
            events.ids if is_text else None,
            label_ids if is_text else None,
            *events.objects,
            *label_objects,
        ]
    blocks = [_with_totals(words, layout.event_totals)]
    if labels is not None and labels.ids:
        blocks.append(_with_totals(labels.words, layout.label_totals))
    return pack_state(
        StateHeader(horizon),
        flags=flags,
        counts=(len(events.ids), len(labels.ids) if labels else 0),
        latest_known=(int(words[EVENT_KNOWN].max()), latest_label),
        event_width=len(words),
        words=blocks,
        tail=tail,
    )


def _with_totals(words: np.ndarray, columns: range) -> bytes:
    """The bytes of rows by column, with totals in the columns that have them."""
    words = words.copy()
    words[columns.start : columns.stop] = totals_of(words[columns.start : columns.stop])
    return words.tobytes()


def _has_null(values: np.ndarray, numbers: int, scaled: int) -> bool:
    """Whether a value is missing, or too large for plain totals."""
    integers = values[numbers : numbers + scaled]
    is_plain = (integers >= -LARGEST_PLAIN) & (integers <= LARGEST_PLAIN)
    return bool(np.isnan(values[:numbers].view(np.float64)).any() or not is_plain.all())


def _values(
    view: FeatureView, layout: EntityLayout, frame: pl.DataFrame, stream: Stream
) -> Iterator[np.ndarray]:
    """The value columns of a layout, as words."""
    columns = layout.events if stream == "events" else layout.labels
    for column in columns.numbers:
        numbers = as_numbers(frame[column], _feature(view, layout, stream, column))
        yield np.where(np.isnan(numbers), np.nan, numbers).view(np.int64)
    for column, decimals in columns.scaled:
        feature = _feature(view, layout, stream, column, decimals)
        numbers = as_numbers(frame[column], feature)
        yield np.where(np.isnan(numbers), NULL, as_fixed_point(numbers, feature))


def _feature(
    view: FeatureView, layout: EntityLayout, stream: Stream, column: str, decimals: int | None = None
) -> WindowFeature:
    """The first declaration that aggregates the column so; errors name it."""
    return next(
        feature
        for feature in view.window_features
        if (feature.entity, feature.stream, feature.column) == (layout.entity, stream, column)
        and decimals in (None, feature.decimals)
        and (decimals is None or feature.aggregation in ("sum", "mean"))
    )


def _objects(columns: Sequence[str], frame: pl.DataFrame) -> list[np.ndarray]:
    """Columns whose values are compared as they are; NaN is null, -0.0 is 0.0."""
    result = []
    for column in columns:
        series = frame[column]
        if series.dtype.is_float():
            series = series.fill_nan(None) + 0.0
        values = np.empty(series.len(), dtype=object)
        values[:] = series.to_list()
        result.append(values)
    return result


def _ids(view: FeatureView, ids: pl.Series) -> np.ndarray:
    """Ids as int64, or as objects where they are texts."""
    if ids.dtype == pl.String:
        return np.array(ids.to_list(), dtype=object)
    if ids.dtype.is_integer() and (ids.is_empty() or int(ids.max()) < 2**63):  # pyright: ignore[reportArgumentType]
        return ids.cast(pl.Int64).to_numpy()
    raise FeatureError(
        f"view {view.name}: {ids.name} is {ids.dtype}: online states take integers of 64 bits and texts"
    )


def _id_words(ids: np.ndarray) -> np.ndarray:
    return np.zeros(ids.size, dtype=np.int64) if ids.dtype == object else ids


def _digests(view: FeatureView, rows: Rows) -> np.ndarray:
    content = rows.frame.select(content_columns(view)).with_columns(
        cs.datetime().dt.cast_time_unit("us").to_physical(), (cs.categorical() | cs.enum()).cast(pl.String)
    )
    digests = np.fromiter(
        (content_digest(row) for row in content.iter_rows()), dtype=np.int64, count=rows.frame.height
    )
    return np.where(rows.is_first_version(), digests, CORRECTION_DIGEST)
