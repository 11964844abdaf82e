"""The offline executor of feature views: history in, one feature vector per event out, as of the event's own time.

What lives here: computing a view's features over frames, and cutting history into blocks that fit in memory. What must
not live here: the meaning of times and aggregations (`feature_view` states it), reading or writing tables.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.feature_aggregates import (
    ExactAggregate,
    SeenAggregate,
    SummedColumns,
    as_codes,
    as_fixed_point,
    as_numbers,
)
from mlops_assets.core.feature_rows import Rows, as_microseconds, event_rows, label_rows
from mlops_assets.core.feature_view import FeatureView, WindowFeature
from mlops_assets.core.feature_windows import Block, BlockWindows, KeySpace, Queries, Timeline, blocks

THREADS = 2
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class FeatureBlock:
    """One piece of history: features of events in [start, end) need rows from `history_start` on."""

    start: datetime
    end: datetime
    history_start: datetime


def feature_blocks(
    view: FeatureView, *, start: datetime, end: datetime, block: timedelta
) -> Iterator[FeatureBlock]:
    """Cut [start, end) into blocks, so that history of any length can be computed piece by piece.

    For a block read the events whose event time is in [history_start, end) and the labels of such events, and hand them
    to `compute_features` with the block's start and end; the blocks' results together equal that of the whole.

    Raises: FeatureError when `block` is not longer than zero.
    """
    if block <= timedelta(0):
        raise FeatureError(f"view {view.name}: a block must be longer than zero, not {block}")
    while start < end:
        stop = min(start + block, end)
        yield FeatureBlock(start, stop, start - view.lookback)
        start = stop


def compute_features(
    view: FeatureView,
    events: pl.DataFrame,
    labels: pl.DataFrame | None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """Compute the features of the events whose event time is in [start, end), each as of its own time.

    One row per event: id, event time (not for a cohort), then the features in the view's order, sorted by event time and
    id. Rows of `events` before `start` are history: they are seen by windows but get no vector. `labels` (id, label
    column, known_at) may be None when no feature aggregates labels. Null means what each feature's `null_means` says.

    Raises: FeatureError for a missing column, a wrong type, a null id or time, clashing versions of a row, an infinite
    value in a window, or an unknown category.
    """
    if view.event_timestamp is None:
        return _cohort_features(view, events, is_sliced=(start, end) != (None, None))
    rows = event_rows(view, events)
    is_asked = rows.is_first_version()
    if start is not None:
        is_asked &= rows.event_time >= as_microseconds(start)
    if end is not None:
        is_asked &= rows.event_time < as_microseconds(end)
    asked = np.flatnonzero(is_asked)
    windows = _Windows(view, rows, label_rows(view, labels, rows) if view.needs_labels else None, asked)
    return _assemble(view, rows.frame[asked], windows.compute(), keys=[view.id_column, view.event_timestamp])


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


class _Windows:
    """All window features of a view for the asked events."""

    def __init__(self, view: FeatureView, events: Rows, labels: Rows | None, asked: np.ndarray) -> None:
        self._view, self._events, self._labels, self._asked = view, events, labels, asked
        self._codes: dict[str, np.ndarray] = {}

    def compute(self) -> dict[str, pl.Series]:
        groups: dict[tuple[str, str, timedelta], list[WindowFeature]] = {}
        for feature in self._view.window_features:
            groups.setdefault((feature.stream, feature.entity, feature.delay), []).append(feature)
        result: dict[str, pl.Series] = {}
        for features in groups.values():
            result |= self._group(features)
        return result

    def _group(self, features: list[WindowFeature]) -> dict[str, pl.Series]:
        """Features with the same stream, entity and delay."""
        rows = self._events if features[0].stream == "events" else self._labels
        if rows is None:
            raise FeatureError(f"view {self._view.name}: no labels were given")
        entity_code = self._entity_code(features[0].entity)
        code = entity_code if rows.event_row is None else entity_code[rows.event_row]
        row_order, query_order = _order_by_code(code), _order_by_code(entity_code[self._asked])
        group = _Group.of(features, rows, row_order, self._asked[query_order])
        superseded = None if rows.superseded_at is None else rows.superseded_at[row_order]
        timeline = Timeline(code[row_order], rows.event_time[row_order], rows.known_at[row_order], superseded)
        asked = self._asked[query_order]
        values = group.compute(timeline, Queries(entity_code[asked], self._events.event_time[asked]))
        return {
            name: _scattered(name, value, query_order, self._asked.size, dtype)
            for (name, value), dtype in zip(values.items(), group.dtypes, strict=True)
        }

    def _entity_code(self, entity: str) -> np.ndarray:
        if entity not in self._codes:
            self._codes[entity] = as_codes(self._events.frame[entity])
        return self._codes[entity]


@dataclass(frozen=True)
class _Group:
    """Window features of one stream, entity and delay, over rows and queries in the order of the entity."""

    features: Sequence[WindowFeature]
    exact: Sequence[ExactAggregate]
    seen: Sequence[SeenAggregate]
    columns: SummedColumns

    @classmethod
    def of(
        cls, features: list[WindowFeature], rows: Rows, row_order: np.ndarray, query_rows: np.ndarray
    ) -> "_Group":
        columns = SummedColumns(row_order)
        exact, seen = [], []
        for feature in features:
            if feature.aggregation in ("count", "sum", "mean"):
                exact.append(_exact(feature, rows, columns, query_rows))
            else:
                seen.append(_seen(feature, rows, row_order, query_rows))
        return cls(features, exact, seen, columns)

    @property
    def names(self) -> list[str]:
        return [a.feature.feature_name(w) for a in (*self.exact, *self.seen) for w in a.feature.windows]

    @property
    def dtypes(self) -> list[type[pl.DataType]]:
        return [a.feature.dtype for a in (*self.exact, *self.seen) for _ in a.feature.windows]

    def compute(self, timeline: Timeline, queries: Queries) -> dict[str, np.ndarray]:
        """Feature name to values in the order of the queries."""
        space = KeySpace.of(timeline, queries)
        values = {
            name: np.empty(queries.code.size, dtype=np.int64 if dtype == pl.Int64 else np.float64)
            for name, dtype in zip(self.names, self.dtypes, strict=True)
        }

        def fill(block: Block) -> None:
            windows = BlockWindows(timeline, queries, block, space=space, delay=self._delay)
            for name, value in self._block_values(windows, block):
                values[name][block.queries] = value

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fill, blocks(timeline, queries, space)))
        return values

    @property
    def _delay(self) -> int:
        return self.features[0].delay // _MICROSECOND

    def _block_values(self, windows: BlockWindows, block: Block) -> Iterator[tuple[str, np.ndarray]]:
        columns = [column[block.rows] for column in self.columns.arrays]
        for window in sorted({w for aggregate in self.exact for w in aggregate.feature.windows}):
            totals = windows.totals(window // _MICROSECOND, columns)
            for aggregate in self.exact:
                if window in aggregate.feature.windows:
                    yield aggregate.feature.feature_name(window), aggregate.values(totals, block.queries)
        for aggregate in self.seen:
            for window in aggregate.feature.windows:
                value = aggregate.values(
                    windows, window // _MICROSECOND, rows=block.rows, queries=block.queries
                )
                yield aggregate.feature.feature_name(window), value


def _exact(
    feature: WindowFeature, rows: Rows, columns: SummedColumns, query_rows: np.ndarray
) -> ExactAggregate:
    counted, count_position = np.ones(1, dtype=np.int64), 0
    scaled, sum_position = counted, 0
    if feature.column is not None:
        numbers = as_numbers(rows.frame[feature.column], feature)
        is_valid = ~np.isnan(numbers)
        if not is_valid.all():
            counted = is_valid.astype(np.int64)
            count_position = columns.position(feature.column, counted)
        scaled, sum_position = counted, count_position
        if feature.aggregation != "count":
            scaled = as_fixed_point(numbers, feature)
            sum_position = columns.position((feature.column, feature.decimals), scaled)
    own = (None, None)
    if feature.includes_current:
        own = tuple(
            v[query_rows] if v.size > 1 else np.broadcast_to(v, query_rows.size) for v in (counted, scaled)
        )
    return ExactAggregate(feature, count_position, sum_position, *own)


def _seen(feature: WindowFeature, rows: Rows, row_order: np.ndarray, query_rows: np.ndarray) -> SeenAggregate:
    column = rows.frame[str(feature.column)]
    if feature.aggregation == "distinct":
        codes = as_codes(column)
        values = np.where(codes < 0, np.nan, codes.astype(np.float64))
    else:
        values = as_numbers(column, feature)
    return SeenAggregate(feature, values[row_order], values[query_rows] if feature.includes_current else None)


def _order_by_code(codes: np.ndarray) -> np.ndarray:
    """Positions that sort by code, keeping the order of equal codes; null (-1) is left out.

    A radix sort by 16 bits at a time, which is what numpy's stable sort does for that type: linear in the rows.
    """
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    high = int(codes.max(initial=0)) >> 16
    shift = 16
    while high:
        order = order[np.argsort(((codes[order] >> shift) & 0xFFFF).astype(np.uint16), kind="stable")]
        high, shift = high >> 16, shift + 16
    has_null = codes.size and codes.min() < 0
    return order[codes[order] >= 0] if has_null else order


def _scattered(
    name: str, values: np.ndarray, positions: np.ndarray, size: int, dtype: type[pl.DataType]
) -> pl.Series:
    """A column of `size` rows that has the values at their positions, and null elsewhere and for NaN."""
    column = np.zeros(size, dtype=values.dtype)
    column[positions] = values
    series = pl.Series(name, column, dtype=dtype)
    if dtype == pl.Float64:
        series = series.fill_nan(None)
    if positions.size < size:
        is_present = np.zeros(size, dtype=bool)
        is_present[positions] = True
        series = pl.select(pl.when(pl.Series(is_present)).then(series)).to_series().alias(name)
    return series
