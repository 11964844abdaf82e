"""The online executor of feature views: one event and its entities' states in, its features out, as of its own time.

It answers, to the last bit, what `offline/executor.py` computes for the same event later, over all events with the
`known_at` that `answer` returned for them. That needs one rule beyond those of `features/view.py`: an event that
arrives is known from the newest event time at which one of its entities was already scored, or later. So a query that
was answered before it came is one that does not see it, in whatever order events arrive.

Cost of a request: reading, and writing back, a state of 32 to 100 bytes per row (a row is an event of the entity within
the view's lookback and `ALLOWED_LATENESS`), and one pass over the rows of the longest window per minimum, maximum and
count of different values. All of it grows linearly with the rows of the entity. Processor time seen for the 15
published features, two entities of n rows each, states at hand: 23 µs at n = 60, 45 µs at 1,000, 0.4 to 0.9 ms at
10,000, where a state has 0.7 MB. Entities beyond that ask for shorter windows, or for a coarser entity.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from math import isnan
from typing import NamedTuple

import msgspec

from mlops_assets.core.errors import FeatureError, InvalidEventError, KnownEventError
from mlops_assets.core.features.online.entity_state import (
    LONG_AGO,
    EntityState,
    NewRow,
    with_row,
)
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.features.online.layout import (
    ALLOWED_LATENESS,
    EVENT_DIGEST,
    EVENT_KNOWN,
    EVENT_TIME,
    LARGEST_PLAIN,
    NULL,
    EntityLayout,
    empty_key,
    empty_layout,
    entity_layouts,
)
from mlops_assets.core.features.online.row_features import EventReader, compile_row_features, read_value
from mlops_assets.core.features.online.window_plan import group_plans
from mlops_assets.core.features.online.windows import EntityWindows, OwnValues
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import KNOWN_AT, MICROSECOND, shown_time

_LARGEST_SCALED = 2**62
_ENCODER = msgspec.msgpack.Encoder()
_EMPTY_LAYOUT = empty_layout()


class OnlineAnswer(NamedTuple):
    """The features of one event, and what its entities' states become by it."""

    features: tuple[float | None, ...]
    """In the order of the names that were asked for; None is null."""
    known_at: int | None
    """From when on later events see this one, microseconds; None for a cohort."""
    states: tuple[bytes | None, ...] | None
    """The next states, in the order of the event's keys, None for one that stays (only where several views answer);
    None when the event was there already.
    """


class OnlineFeatures:
    """Features of one event after another, compiled once for a view.

    `names` are the features to compute, in this order; states are kept for the whole view whatever they are, so that
    model versions with other features share them. `content` are the columns by which an event that comes again is told
    from another one with its id; None takes those of the view.

    Raises: FeatureError for a name that is no feature of the view, or a feature that is a text.
    """

    def __init__(
        self,
        view: FeatureView,
        names: Sequence[str] | None = None,
        *,
        lateness: timedelta = ALLOWED_LATENESS,
        content: Sequence[str] | None = None,
    ) -> None:
        self.names = tuple(view.feature_names if names is None else names)
        self.empty_key = empty_key(view)
        """Key of the state that stands for an entity without one: read it beside the event's keys."""
        self._view, self._lateness = view, lateness // MICROSECOND
        reader = EventReader()
        self._time = None if view.event_timestamp is None else reader.place(view.event_timestamp, "timestamp")
        self._id = reader.place(view.id_column, "any")
        windows = _window_places(view, self.names)
        self._blank: list[float | None] = [None] * (len(self.names) + len(windows))
        self._entities = tuple(_Entity(view, layout, reader, windows) for layout in entity_layouts(view))
        rows = {feature.name: feature for feature in view.row_features}
        expressions = {place: rows[name].expression for place, name in enumerate(self.names) if name in rows}
        self._row_features = compile_row_features(expressions, reader, windows)
        self._content = tuple(reader.place(column, "any") for column in content or content_columns(view))
        self._reader = reader

    def keys(self, event: Mapping[str, Value]) -> tuple[str, ...]:
        """The keys of the states that the event reads and changes; entities whose key is null have none.

        Raises: InvalidEventError for a missing entity or one that is neither number nor text.
        """
        keys = [entity.key(event) for entity in self._entities]
        return tuple([key for key in keys if key is not None] if None in keys else keys)  # pyright: ignore[reportReturnType]

    def is_late(self, event: Mapping[str, Value], *, now: int) -> bool:
        """Whether the event is older than a load of states by `now` need answer for: `answer` then needs `empty`."""
        time = None if self._view.event_timestamp is None else event.get(self._view.event_timestamp)
        return isinstance(time, int) and time < now - self._lateness

    def answer(
        self,
        event: Mapping[str, Value],
        states: Sequence[bytes],
        *,
        known_at: int | None,
        empty: bytes = b"",
    ) -> OnlineAnswer:
        """Compute the features of one event from its entities' states, and these states with the event in them.

        `event` has the view's input columns, `known_at` aside; times are microseconds since 1970, UTC. `states` are
        those of `keys`, in their order, b"" for an absent one, which then is as `empty`, the state of `empty_key`; for
        an event that `is_late`, `empty` tells from when on the newest load answers.
        `known_at` is the time at which the event became known as far as anyone can say; None is its own time.

        Raises: InvalidEventError with the field for a missing column, a wrong type, an infinite value, an unknown
        category, or an event older than the state; KnownEventError for an event of this id with other content;
        OnlineStoreError for a state that is none of ours.
        """
        values = self._reader.read(event)
        event_id = _checked_id(values[self._id], self._view.id_column)
        features = self._blank.copy()
        if self._time is None:
            return OnlineAnswer(self._outputs(values, features), None, ())
        time = values[self._time]
        if not isinstance(time, int):
            name = self._view.event_timestamp
            raise InvalidEventError(f"{name} is null: an event has a time", field=name)
        asked = self._asked(values, states, empty)
        arrival = _Arrival(event_id, time, self._digest(values))
        first_known = self._first_known(asked, arrival, loaded_from=_horizon_of(empty))
        for entity, state, own in asked:
            entity.windows.answer(state, time, own, features)
        answered = self._outputs(values, features)
        if first_known is not None:
            return OnlineAnswer(answered, first_known, None)
        effective = time if known_at is None or known_at < time else known_at
        for _, state, _ in asked:
            effective = max(effective, state.asked_until)
        changed = [
            with_row(state, entity.new_row(arrival, effective, own), lateness=self._lateness)
            for entity, state, own in asked
        ]
        return OnlineAnswer(answered, effective, tuple(changed))

    def _asked(
        self, values: list[object], states: Sequence[bytes], empty: bytes
    ) -> "list[tuple[_Entity, EntityState, OwnValues]]":
        """The entities whose key is not null, with their states and what the event would add to them."""
        present = [entity for entity in self._entities if values[entity.key_place] is not None]
        return [
            (entity, EntityState(entity.layout, content or empty), entity.own_values(values))
            for entity, content in zip(present, states, strict=True)
        ]

    def _first_known(
        self, asked: "list[tuple[_Entity, EntityState, OwnValues]]", arrival: "_Arrival", *, loaded_from: int
    ) -> int | None:
        """When this event was first known; None when it is new.

        A load leaves out an entity that no event after its horizon, `loaded_from`, sees anything of: what the store
        still holds of it is as old as the load before.
        """
        event_id, time, _ = arrival
        is_text = isinstance(event_id, str)
        rows = []
        for _, state, _ in asked:
            if time < max(state.horizon, loaded_from):
                field = self._view.event_timestamp
                raise InvalidEventError(
                    f"{field} {shown_time(time)} lies before {shown_time(max(state.horizon, loaded_from))}, from when "
                    f"on the state of {state.layout.entity} is complete: score it offline",
                    field=field,
                )
            if is_text != state.has_text_ids and state.event_count:
                column = self._view.id_column
                raise InvalidEventError(f"{column} {event_id!r} is of another type than before", field=column)
            rows.append(state.first_version(event_id))
        if rows.count(None) == len(rows):
            return None
        known = {_known_at(state, row, arrival) for (_, state, _), row in zip(asked, rows, strict=True)}
        if None in known or len(known) > 1:
            raise KnownEventError(
                f"{self._view.id_column} {event_id!r} is known with other content: an event keeps its id, and "
                "a correction comes through the lakehouse",
                field=self._view.id_column,
            )
        return known.pop()

    def _outputs(self, values: list[object], features: list[float | None]) -> tuple[float | None, ...]:
        """The asked features, `features` being filled with those of windows."""
        self._row_features(values, features)
        return tuple(features[: len(self.names)])

    def _digest(self, values: list[object]) -> int:
        content = [values[place] for place in self._content]
        return _digest_of([float(value) if isinstance(value, int) else value for value in content])


def _horizon_of(empty: bytes) -> int:
    return EntityState(_EMPTY_LAYOUT, empty).horizon if empty else LONG_AGO


class _Arrival(NamedTuple):
    """What tells an event from another one."""

    event_id: int | str
    time: int
    digest: int


def _known_at(state: EntityState, row: int | None, arrival: _Arrival) -> int | None:
    """When the event of this row was known; None when there is none or it has other content."""
    words, count = state.words, state.event_count
    if row is None or (words[EVENT_TIME * count + row], words[EVENT_DIGEST * count + row]) != arrival[1:]:
        return None
    return words[EVENT_KNOWN * count + row]


class _Entity:
    """What is compiled for one kind of entity."""

    def __init__(
        self, view: FeatureView, layout: EntityLayout, reader: EventReader, windows: dict[str, int]
    ) -> None:
        self.layout = layout
        self._prefix, self._suffix = f"{layout.entity}=", f"@{layout.tag}"
        self.key_place = reader.place(layout.entity, "any")
        self.windows = EntityWindows(group_plans(view, layout, windows))
        columns = layout.events
        self._numbers = tuple(reader.place(column, "number") for column in columns.numbers)
        self._scaled = tuple(
            (column, reader.place(column, "number"), 10.0**decimals) for column, decimals in columns.scaled
        )
        self._objects = tuple(reader.place(column, "any") for column in columns.objects)
        self._has_values = bool(columns.numbers or columns.scaled or columns.objects)
        self._pack = struct.Struct(f"=qqqq{len(self._numbers)}d{len(self._scaled)}q").pack

    def key(self, event: Mapping[str, Value]) -> str | None:
        """The state's key; None when the entity is null."""
        value = event.get(self.layout.entity)
        if (
            type(value) is int and 0 <= value < 2**63
        ):  # what most entities are, without looking at all that others are
            return f"{self._prefix}{value}{self._suffix}"
        return self.layout.key(read_value(event, self.layout.entity, "any"))

    def own_values(self, values: list[object]) -> OwnValues:
        """The event's values as windows over this entity aggregate them."""
        if not self._has_values:
            return _NO_VALUES
        numbers = [None if (n := values[place]) is None else n + 0.0 for place in self._numbers]  # pyright: ignore[reportOperatorIssue]
        scaled = [_scaled(column, values[place], factor) for column, place, factor in self._scaled]
        objects = [values[place] for place in self._objects] if self._objects else ()
        is_plain = None not in numbers and all(
            [value is not None and -LARGEST_PLAIN <= value <= LARGEST_PLAIN for value in scaled]
        )
        return OwnValues(numbers, scaled, objects, is_plain)

    def new_row(self, arrival: _Arrival, known_at: int, own: OwnValues) -> NewRow:
        """The event as a row of this entity's state."""
        event_id, time, digest = arrival
        numbers, scaled, objects, is_plain = own
        if not is_plain:
            numbers = [float("nan") if number is None else number for number in numbers]
            scaled = [NULL if value is None else value for value in scaled]
        id_word = event_id if isinstance(event_id, int) else 0
        words = self._pack(time, known_at, id_word, digest, *numbers, *scaled)
        return NewRow(time, known_at, event_id, words, not is_plain, objects)


_NO_VALUES = OwnValues((), (), (), is_plain=True)


def content_columns(view: FeatureView) -> tuple[str, ...]:
    """The columns that make an event another one when they differ, beside id and time."""
    return tuple(c for c in view.input_columns if c not in (KNOWN_AT, view.id_column, view.event_timestamp))


def content_digest(values: Sequence[Value]) -> int:
    """64 bits that differ for other content: of `content_columns`, numbers by value whatever their type, NaN null."""
    return _digest_of(
        [value if value is None or isinstance(value, str) else _plain(value) for value in values]
    )


def _digest_of(content: list[object]) -> int:
    digest = blake2b(_ENCODER.encode(content), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _plain(number: float) -> float | None:
    value = float(number) + 0.0  # -0.0 is 0.0
    return None if isnan(value) else value


def _scaled(column: str, number: object, factor: float) -> int | None:
    if not isinstance(number, float):
        return None
    product = number * factor
    if not abs(product) <= _LARGEST_SCALED:
        raise InvalidEventError(f"{column} is too large to be summed: {number}", field=column)
    return round(product)


def _checked_id(event_id: object, column: str) -> int | str:
    if isinstance(event_id, bool) or not isinstance(event_id, (int, str)):
        raise InvalidEventError(
            f"{column} must be a whole number or a text, but is {event_id!r}", field=column
        )
    if isinstance(event_id, int) and not -(2**63) <= event_id < 2**63:
        raise InvalidEventError(f"{column} must have at most 64 bits, but is {event_id}", field=column)
    return event_id


def _window_places(view: FeatureView, names: Sequence[str]) -> dict[str, int]:
    """A place for each window feature that is asked for: that of its name; behind them those that row features read."""
    windows = {f.feature_name(w) for f in view.window_features for w in f.windows}
    rows = {feature.name: feature for feature in view.row_features}
    places = {name: place for place, name in enumerate(names) if name in windows}
    for name in names:
        if name not in windows and name not in rows:
            raise FeatureError(
                f"view {view.name} has no feature {name}; it has {', '.join(view.feature_names)}"
            )
        read = rows[name].expression.columns() & windows if name in rows else ()
        for window in sorted(read):
            places.setdefault(window, len(names) + len(places))
    return places
