"""Feature views: what a product's features are, declared once for every executor.

Time semantics
--------------
All times are UTC with microseconds. A *row* is an event, or a label of an event. A row may come in several
*versions*: the same id with different `known_at`, each replacing the one before it from its own `known_at`
on. A row version v is seen by an event at time t, for a window w and a delay d, when all of these hold:

1. same entity: v's entity key equals the event's, and neither is null;
2. known: v.known_at < t;
3. newest: no later version of the same row has known_at < t;
4. in the window: t - d - w < v.event_timestamp < t - d. Both ends are open: a row exactly w + d ago is not
   seen, nor one exactly d ago, nor, with d = 0, any other row of the same timestamp, so the order of ties
   never matters.

A feature of an event at t aggregates the row versions that it sees, whatever order they arrived in. With
`includes_current` (events only) it also aggregates the event itself, whatever its own `known_at`.

- The event's own row, for row features and for `includes_current`, is its first known version: what a service
  saw when it scored the event. Its features are as of its event time; corrections of the event change later
  events only.
- Versions of an event share one event time; versions with the same `known_at` must be equal and count once.
- A label is joined with its event by id for entity keys. Its event time is the event's. It is seen while a
  version of the label and a version of the event are both seen, so it follows a correction of either. A label
  without an event in the frames is not seen: its event lies before the lookback, or was rejected.
- A null entity key makes all window features of that entity null in this row, and the row is seen by none.

Aggregations, over the rows seen whose `column` is not null (NaN counts as null)
- count: number of rows (of all rows seen, without `column`). Int64, 0 for an empty window.
- distinct: number of different values. Int64, 0 for an empty window.
- sum: S / 10**decimals. mean: S / (n * 10**decimals). S is the exact integer sum of round_half_even(value *
  10**decimals), where value and product are Float64, n the number of rows; S and the divisor are converted to
  Float64 and divided once. Float64. Hence equal to the last bit for any order of rows, and in any executor.
- min, max: Float64. last: the value of the newest row by event time, of equal times the largest id (integers
  by value, text by its UTF-8 bytes); the event itself is newest. Float64; -0.0 is 0.0 in all three.
- An empty window of sum, mean, min, max and last gives `when_empty`, null unless it is declared.

Row features read columns of the event and window features of the same row. Where both have the name, the
window feature is meant. They never read other row features.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal, get_args

import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import Expression
from mlops_assets.core.times import KNOWN_AT

Stream = Literal["events", "labels"]
Aggregation = Literal["count", "sum", "mean", "min", "max", "last", "distinct"]
LARGEST_DECIMALS = 9
FEATURE_VIEW = "feature_view"
"""Column of tables: digest of the view that made the row's features."""
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_UNIT_WORDS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


@dataclass(frozen=True)
class FeatureDoc:
    """What a person should know about a feature."""

    name: str
    description: str
    unit: str
    null_means: str
    dtype: type[pl.DataType]


@dataclass(frozen=True, eq=False)
class RowFeature:
    """One value from the event's own row and from window features of the same row."""

    name: str
    expression: Expression
    description: str
    unit: str = ""
    null_means: str = ""


@dataclass(frozen=True)
class WindowFeature:
    """One feature per window, aggregated over the rows that the event sees (semantics: see the module).

    In `name` the text "{window}" is replaced by 1d, 12h, 30m or 45s, in `description` by "1 day", "12 hours"
    and so on.
    """

    name: str
    stream: Stream
    entity: str
    """Key column; of the event, also for labels."""
    aggregation: Aggregation
    windows: tuple[timedelta, ...]
    description: str
    column: str | None = None
    """Column that is aggregated, of the stream's own frame; None counts rows."""
    delay: timedelta = timedelta(0)
    """The window ends this long before the event."""
    includes_current: bool = True
    """Whether the event itself counts too; must be False for labels."""
    decimals: int = 2
    """Digits after the point that sums and means keep of each value."""
    when_empty: float | None = None
    """Value of an empty window; None is null."""
    unit: str = ""
    null_means: str = ""

    @property
    def dtype(self) -> type[pl.DataType]:
        """Int64 for counts, else Float64."""
        return pl.Int64 if self.aggregation in ("count", "distinct") else pl.Float64

    def feature_name(self, window: timedelta) -> str:
        """Name of the feature of one window."""
        count, unit = _in_largest_unit(window)
        return self.name.replace("{window}", f"{count}{unit}")

    def feature_description(self, window: timedelta) -> str:
        """Description of the feature of one window."""
        count, unit = _in_largest_unit(window)
        words = f"{count} {_UNIT_WORDS[unit]}{'' if count == 1 else 's'}"
        return self.description.replace("{window}", words)


@dataclass(frozen=True)
class FeatureView:
    """All features of a product, in the order in which models see them.

    Raises: FeatureError at construction for a declaration that cannot mean anything.
    """

    name: str
    id_column: str
    event_timestamp: str | None
    """Column of the event's time; None for a cohort, which has row features only."""
    features: tuple[RowFeature | WindowFeature, ...]
    _by_name: Mapping[str, "RowFeature | tuple[WindowFeature, timedelta]"] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for feature in self.window_features:
            self._refuse(feature, _problem_of(feature, is_cohort=self.event_timestamp is None))
        by_name: dict[str, RowFeature | tuple[WindowFeature, timedelta]] = {}
        for feature in self.features:
            for name, entry in _expand(feature):
                if name in by_name:
                    raise FeatureError(f"view {self.name}: two features are called {name}: rename one")
                by_name[name] = entry
        if not by_name:
            raise FeatureError(f"view {self.name}: no features: declare at least one")
        object.__setattr__(self, "_by_name", by_name)
        for feature in self.window_features:
            for column in (feature.entity, feature.column):
                if isinstance(by_name.get(column or ""), tuple):
                    self._refuse(
                        feature, f"{column} is itself a window feature, but windows aggregate columns"
                    )

    def _refuse(self, feature: WindowFeature, problem: str | None) -> None:
        if problem:
            raise FeatureError(f"view {self.name}, feature {feature.name}: {problem}")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features, one per window, in the order of declaration."""
        return tuple(self._by_name)

    @property
    def window_features(self) -> tuple[WindowFeature, ...]:
        """The declarations that aggregate over windows."""
        return tuple(feature for feature in self.features if isinstance(feature, WindowFeature))

    @property
    def row_features(self) -> tuple[RowFeature, ...]:
        """The declarations that are computed from one row."""
        return tuple(feature for feature in self.features if isinstance(feature, RowFeature))

    @property
    def lookback(self) -> timedelta:
        """How far before an event its oldest window begins; zero without windows."""
        return max((f.delay + max(f.windows) for f in self.window_features), default=timedelta(0))

    @property
    def needs_labels(self) -> bool:
        """Whether a feature aggregates labels."""
        return any(feature.stream == "labels" for feature in self.window_features)

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Columns of the events frame that are read, sorted: id, times, keys and values."""
        return self._columns_of("events")

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the labels frame that are read, sorted; empty when no feature aggregates labels."""
        return self._columns_of("labels")

    def _columns_of(self, stream: Stream) -> tuple[str, ...]:
        read = {column for source in self.lineage.values() for of, column in source if of == stream}
        if stream == "events":
            read |= (
                {self.id_column, self.event_timestamp, KNOWN_AT} if self.event_timestamp else {self.id_column}
            )
        return tuple(sorted(read))

    @cached_property
    def lineage(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Feature name to the columns it is computed from, as sorted pairs (stream, column)."""
        return {name: tuple(sorted(self._sources(name))) for name in self._by_name}

    def _sources(self, name: str) -> set[tuple[str, str]]:
        entry = self._by_name[name]
        if isinstance(entry, tuple):
            feature = entry[0]
            times = {(feature.stream, KNOWN_AT), ("events", KNOWN_AT), ("events", str(self.event_timestamp))}
            keys = {("events", feature.entity)} | (
                {("labels", self.id_column)} if feature.stream == "labels" else set()
            )
            return times | keys | ({(feature.stream, feature.column)} if feature.column else set())
        sources: set[tuple[str, str]] = set()
        for column in entry.expression.columns():
            is_window = isinstance(self._by_name.get(column), tuple)
            sources |= self._sources(column) if is_window else {("events", column)}
        return sources

    def describe(self, name: str) -> FeatureDoc:
        """The documentation of one feature.

        Raises: FeatureError for a name that is no feature of this view.
        """
        if name not in self._by_name:
            raise FeatureError(f"view {self.name} has no feature {name}; it has {', '.join(self._by_name)}")
        entry = self._by_name[name]
        feature = entry[0] if isinstance(entry, tuple) else entry
        text = entry[0].feature_description(entry[1]) if isinstance(entry, tuple) else entry.description
        dtype = feature.dtype if isinstance(feature, WindowFeature) else feature.expression.dtype
        return FeatureDoc(name, text, feature.unit, feature.null_means, dtype)

    @property
    def digest(self) -> str:
        """SHA-256 of the declaration; equal views give equal digests in every process."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def _expand(
    feature: RowFeature | WindowFeature,
) -> list[tuple[str, RowFeature | tuple[WindowFeature, timedelta]]]:
    if isinstance(feature, RowFeature):
        return [(feature.name, feature)]
    return [(feature.feature_name(window), (feature, window)) for window in feature.windows]


def _in_largest_unit(window: timedelta) -> tuple[int, str]:
    for unit, length in _UNITS.items():
        if window % length == timedelta(0):
            return window // length, unit
    raise FeatureError(f"window {window} is no whole number of seconds")


def _problem_of(feature: WindowFeature, *, is_cohort: bool) -> str | None:
    """What makes the declaration meaningless, or None."""
    counts = feature.aggregation in ("count", "distinct")
    problems = {
        f"stream {feature.stream!r} is none of {', '.join(get_args(Stream))}": (
            feature.stream not in get_args(Stream)
        ),
        f"aggregation {feature.aggregation!r} is none of {', '.join(get_args(Aggregation))}": (
            feature.aggregation not in get_args(Aggregation)
        ),
        "a view without event_timestamp is a cohort and takes row features only": is_cohort,
        "windows: at least one is needed": not feature.windows,
        "windows must be longer than zero": any(window <= timedelta(0) for window in feature.windows),
        'name must contain "{window}"': "{window}" not in feature.name,
        "delay must not be negative": feature.delay < timedelta(0),
        f"{feature.aggregation} needs a column": feature.column is None and feature.aggregation != "count",
        "includes_current must be False for labels: an event's own label is not known at its time": (
            feature.stream == "labels" and feature.includes_current
        ),
        f"decimals must be 0 to {LARGEST_DECIMALS}": not 0 <= feature.decimals <= LARGEST_DECIMALS,
        f"when_empty has no effect on {feature.aggregation}, which is 0 for an empty window": (
            counts and feature.when_empty is not None
        ),
    }
    return next((problem for problem, holds in problems.items() if holds), None)
