"""Window features that share stream, entity and delay, computed together over the rows of that stream.

What lives here: which columns are summed or looked at, and running the blocks of entities in parallel. What
must not live here: reading frames of events and labels (`feature_rows`), which rows are seen
(`feature_windows`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from mlops_assets.core.feature_aggregates import (
    ExactAggregate,
    SeenAggregate,
    SummedColumns,
    as_codes,
    as_fixed_point,
    as_numbers,
)
from mlops_assets.core.feature_rows import Rows
from mlops_assets.core.feature_view import WindowFeature
from mlops_assets.core.feature_windows import BlockWindows, Grouping, KeySpace, Timeline, blocks

THREADS = 2
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class EntityQueries:
    """The asked events, by one entity."""

    event_row: np.ndarray
    """Position of each asked event among the event versions."""
    grouping: Grouping
    """Asked events by entity; positions are those in `event_row`."""
    time: np.ndarray
    """Event time of each asked event."""


def compute_group(
    features: Sequence[WindowFeature], rows: Rows, row_grouping: Grouping, queries: EntityQueries
) -> dict[str, pl.Series]:
    """Feature name to one value per asked event; null where the entity is null.

    Raises: FeatureError for a column that cannot be aggregated.
    """
    group = _Group(features, rows, row_grouping, queries)
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(group.fill, blocks(row_grouping, queries.grouping, group.space)):
            pass
    return {name: group.series(name) for name in group.names}


class _Group:
    def __init__(
        self,
        features: Sequence[WindowFeature],
        rows: Rows,
        row_grouping: Grouping,
        queries: EntityQueries,
    ) -> None:
        self._features, self._rows, self._row_grouping, self._queries = features, rows, row_grouping, queries
        self._timeline = Timeline(rows.event_time, rows.known_at, rows.superseded_at)
        self._columns = SummedColumns()
        self._exact = [
            self._exact_aggregate(f) for f in features if f.aggregation in ("count", "sum", "mean")
        ]
        self._seen = [
            _seen_aggregate(f, rows) for f in features if f.aggregation not in ("count", "sum", "mean")
        ]
        self.space = KeySpace.of(rows.event_time, queries.time)
        self.names = {f.feature_name(w): f.dtype for f in features for w in f.windows}
        # One row per query with the bits of all its values: entity by entity is random access, which so takes one
        # cache line per query instead of one per value. As one opaque item per row numpy copies it whole.
        self._bits = np.empty((queries.time.size, len(self.names)), dtype=np.int64)
        self._row_type = np.dtype((np.void, 8 * len(self.names)))

    def fill(self, codes: range) -> None:
        """Compute the values of some entities' asked events."""
        rows, queries = self._row_grouping.block(codes), self._queries.grouping.block(codes)
        windows = BlockWindows(
            self._timeline,
            rows,
            queries,
            self._queries.time[queries.positions],
            space=self.space,
            delay=self._features[0].delay // _MICROSECOND,
        )
        own_rows = self._queries.event_row[queries.positions]
        values = self._block_values(windows, rows.positions, own_rows)
        bits = np.column_stack([values[name].view(np.int64) for name in self.names])
        self._bits.view(self._row_type)[queries.positions] = bits.view(self._row_type)

    def _block_values(
        self, windows: BlockWindows, rows: np.ndarray, own_rows: np.ndarray
    ) -> dict[str, np.ndarray]:
        values: dict[str, np.ndarray] = {}
        columns = [column[rows] for column in self._columns.arrays]
        own: list[np.ndarray] = []
        if any(feature.includes_current for feature in self._features):
            own = [np.ones(own_rows.size, np.int64), *(column[own_rows] for column in self._columns.arrays)]
        for window in sorted({w for aggregate in self._exact for w in aggregate.feature.windows}):
            totals = windows.totals(window // _MICROSECOND, columns)
            for aggregate in self._exact:
                if window in aggregate.feature.windows:
                    values[aggregate.feature.feature_name(window)] = aggregate.values(totals, own)
        for aggregate in self._seen:
            for window in aggregate.feature.windows:
                pairs = windows.pairs(window // _MICROSECOND)
                values[aggregate.feature.feature_name(window)] = aggregate.values(pairs, rows, own_rows)
        return values

    def series(self, name: str) -> pl.Series:
        """A feature's values as a column; null for NaN and where the entity is null."""
        bits, positions = self._bits[:, list(self.names).index(name)], self._queries.grouping.order
        values = bits.copy() if self.names[name] == pl.Int64 else bits.copy().view(np.float64)
        series = pl.Series(name, values, nan_to_null=True)
        if positions.size < bits.size:
            has_entity = np.zeros(bits.size, dtype=bool)
            has_entity[positions] = True
            series = pl.select(pl.when(pl.Series(has_entity)).then(series).alias(name)).to_series()
        return series

    def _exact_aggregate(self, feature: WindowFeature) -> ExactAggregate:
        if feature.column is None:
            return ExactAggregate(feature, 0, 0)
        numbers = as_numbers(self._rows.frame[feature.column], feature)
        is_missing = np.isnan(numbers)
        counted = 0
        if is_missing.any():
            counted = self._columns.position(feature.column, (~is_missing).astype(np.int64))
        if feature.aggregation == "count":
            return ExactAggregate(feature, counted, counted)
        scaled = as_fixed_point(numbers, feature)
        return ExactAggregate(
            feature, counted, self._columns.position((feature.column, feature.decimals), scaled)
        )


def _seen_aggregate(feature: WindowFeature, rows: Rows) -> SeenAggregate:
    column = rows.frame[str(feature.column)]
    if feature.aggregation != "distinct":
        return SeenAggregate(feature, as_numbers(column, feature))
    codes = as_codes(column)
    return SeenAggregate(feature, np.where(codes < 0, np.nan, codes.astype(np.float64)))
