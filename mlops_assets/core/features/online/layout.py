"""Which columns the online state of an entity keeps, so that every window of a view can be answered, and its key."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import isnan

from mlops_assets.core.features.view import FeatureView, Stream
from mlops_assets.core.times import MICROSECOND

FORMAT = 3
ALLOWED_LATENESS = timedelta(days=7)
"""How much older than its entity's newest event an event may be; rows are kept that much longer than windows reach."""
NULL = -(2**63)
"""A scaled value that is missing; missing numbers are NaN."""
LARGEST_PLAIN = 2**40
"""Scaled values up to it, of whatever sign, have totals of 64 bits for 2**22 rows."""
NAN_WORD = 0x7FF8000000000000
"""The bits of the one NaN that states hold."""
EVENT_TIME, EVENT_KNOWN, EVENT_ID, EVENT_DIGEST, EVENT_VALUES = range(5)
LABEL_TIME, LABEL_KNOWN, LABEL_ID, LABEL_VALUES = range(4)


@dataclass(frozen=True)
class StreamColumns:
    """What is kept of each row of one stream, in this order."""

    numbers: tuple[str, ...] = ()
    """Columns as Float64: for count of a column, min, max and last."""
    scaled: tuple[tuple[str, int], ...] = ()
    """Columns and decimals as fixed-point integers: for sum and mean. A row has the total of its value and those of all
    rows before it, so that the sum of a window is a difference.
    """
    objects: tuple[str, ...] = ()
    """Columns as they are, in the tail: for distinct."""

    @cached_property
    def words(self) -> int:
        """Words per row."""
        return len(self.numbers) + len(self.scaled)

    def has_null(self, words: Sequence[int]) -> bool:
        """Whether among one row's values, as words, one is missing or too large for plain totals."""
        numbers = len(self.numbers)
        return NAN_WORD in words[:numbers] or any(abs(word) > LARGEST_PLAIN for word in words[numbers:])


@dataclass(frozen=True)
class EntityLayout:
    """What the state of an entity of one kind keeps, so that every window of the view over it can be answered."""

    entity: str
    lookback: int
    """How far before an event the oldest window begins, microseconds."""
    events: StreamColumns
    labels: StreamColumns

    @cached_property
    def tag(self) -> str:
        """Eight digits that differ for another layout: states of two views live beside each other in one store."""
        return hashlib.sha256(f"{FORMAT} {self!r}".encode()).hexdigest()[:8]

    def key(self, value: object) -> str | None:
        """The state's key for one value of the entity's column; None when the value is missing."""
        if isinstance(value, float):
            value = None if isnan(value) else value + 0.0  # -0.0 is 0.0
        if value is None:
            return None
        return f"{self.entity}={value}@{self.tag}"

    @cached_property
    def event_width(self) -> int:
        """Words per event, superseded_at aside."""
        return EVENT_VALUES + self.events.words

    @cached_property
    def label_width(self) -> int:
        """Words per label."""
        return LABEL_VALUES + self.labels.words

    @cached_property
    def event_totals(self) -> range:
        """The words of an event that are totals."""
        return range(EVENT_VALUES + len(self.events.numbers), self.event_width)

    @cached_property
    def label_totals(self) -> range:
        """The words of a label that are totals."""
        return range(LABEL_VALUES + len(self.labels.numbers), self.label_width)

    @cached_property
    def has_objects(self) -> bool:
        """Whether rows have values in the tail."""
        return bool(self.events.objects or self.labels.objects)


def entity_layouts(view: FeatureView) -> tuple[EntityLayout, ...]:
    """The layouts of the entities that have windows, in the order of their declaration."""
    return tuple(_layout(view, entity) for entity in dict.fromkeys(f.entity for f in view.window_features))


def empty_layout() -> EntityLayout:
    """The layout of the state that stands for every entity without one: it has no rows."""
    return EntityLayout("*", 0, StreamColumns(), StreamColumns())


def empty_key(view: FeatureView) -> str:
    """Key of the state that stands for every entity without one of its own."""
    tags = " ".join(layout.tag for layout in entity_layouts(view))
    return f"*@{hashlib.sha256(tags.encode()).hexdigest()[:8]}"


def _layout(view: FeatureView, entity: str) -> EntityLayout:
    features = [feature for feature in view.window_features if feature.entity == entity]
    lookback = max(feature.delay + max(feature.windows) for feature in features)
    return EntityLayout(
        entity, lookback // MICROSECOND, _columns(view, entity, "events"), _columns(view, entity, "labels")
    )


def _columns(view: FeatureView, entity: str, stream: Stream) -> StreamColumns:
    numbers, scaled, objects = [], [], []
    for feature in view.window_features:
        if feature.entity != entity or feature.stream != stream or feature.column is None:
            continue
        if feature.aggregation in ("sum", "mean"):
            scaled.append((feature.column, feature.decimals))
        else:
            (objects if feature.aggregation == "distinct" else numbers).append(feature.column)
    return StreamColumns(
        tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(scaled)), tuple(dict.fromkeys(objects))
    )
