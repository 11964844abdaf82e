"""All window features of one entity, computed block by block, in parallel.

Features that need the same columns or the same windows share the work.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import polars as pl

from mlops_assets.core.features.offline.aggregates import (
    ExactAggregate,
    Numbers,
    SeenAggregate,
    SummedColumn,
    as_codes,
    check_totals,
    read_numbers,
)
from mlops_assets.core.features.offline.layout import Block, LaidColumn, Layout
from mlops_assets.core.features.offline.rows import Rows
from mlops_assets.core.features.offline.windows import BlockWindows, Versions
from mlops_assets.core.features.view import Stream, WindowFeature
from mlops_assets.core.times import MICROSECOND

THREADS = 2
_NUMPY_TYPES = {pl.Int64: np.int64, pl.Float64: np.float64}


def compute_entity(
    features: Sequence[WindowFeature], streams: Mapping[Stream, Rows], asked: np.ndarray | None
) -> dict[str, pl.Series]:
    """Feature name to one value per asked event; null where the entity is null.

    `features` have the same entity. `asked` are positions among the event versions; None asks for all.

    Raises: FeatureError for a column that cannot be aggregated.
    """
    code = as_codes(streams["events"].frame[features[0].entity])
    lookback = max(feature.delay + max(feature.windows) for feature in features)
    layout = Layout(streams, code, asked, lookback=lookback // MICROSECOND)
    groups = [_Group(group, layout) for group in _by_stream_and_delay(features)]
    values = {
        f.feature_name(w): np.empty(layout.asked_code.size, np.int64) for f in features for w in f.windows
    }

    def fill(number: int) -> None:
        block = layout.block(number)
        for group in groups:
            for name, of_block in group.values(block).items():
                block.queries.put(of_block.view(np.int64), values[name])

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(fill, layout.block_numbers):
            pass
        names = list(values)
        for _ in pool.map(lambda first: _restore(layout, values, names[first::THREADS]), range(THREADS)):
            pass
    dtypes = {f.feature_name(w): _NUMPY_TYPES[f.dtype] for f in features for w in f.windows}
    return {name: _series(name, bits.view(dtypes[name]), layout.asked_code) for name, bits in values.items()}


def _restore(layout: Layout, values: dict[str, np.ndarray], names: Sequence[str]) -> None:
    """Bring columns from the order of blocks to that of the asked events, each into the memory of the one before.

    Memory that was never written before costs more than the move.
    """
    spare = np.empty(layout.asked_code.size, np.int64)
    for name in names:
        layout.queries.restore(values[name], spare)
        values[name], spare = spare, values[name]


def _by_stream_and_delay(features: Sequence[WindowFeature]) -> list[list[WindowFeature]]:
    groups: dict[tuple[str, timedelta], list[WindowFeature]] = {}
    for feature in features:
        groups.setdefault((feature.stream, feature.delay), []).append(feature)
    return list(groups.values())


def _series(name: str, values: np.ndarray, code: np.ndarray) -> pl.Series:
    """The values as a column; null for NaN and where the entity is null."""
    series = pl.Series(name, values, nan_to_null=True)
    if code.min(initial=0) < 0:
        series = pl.select(pl.when(pl.Series(code >= 0)).then(series).alias(name)).to_series()
    return series


class _Group:
    """Window features that share stream, entity and delay."""

    def __init__(self, features: Sequence[WindowFeature], layout: Layout) -> None:
        self._stream: Stream = features[0].stream
        self._delay = features[0].delay // MICROSECOND
        self._layout, self._rows = layout, layout.streams[self._stream].rows
        self._versions = self._laid_versions()
        self._numbers: dict[str, Numbers] = {}
        self._summed: dict[object, SummedColumn] = {}
        self._has_own = any(feature.includes_current for feature in features)
        self._exact = [
            self._exact_aggregate(f) for f in features if f.aggregation in ("count", "sum", "mean")
        ]
        self._seen = [
            SeenAggregate(f, layout.lay(self._seen_values(f), self._stream))
            for f in features
            if f.aggregation in ("min", "max", "last", "distinct")
        ]

    def values(self, block: Block) -> dict[str, np.ndarray]:
        """Feature name to its values for the block's queries, in the order of entities."""
        times, queries = block.times[self._stream], block.queries
        summed = [column.of_rows(times.rows) for column in self._summed.values()]
        windows = BlockWindows(times, self._versions, summed, delay=self._delay)
        own: list[np.ndarray] = []
        if self._has_own:
            own = [np.ones(queries.code.size, dtype=np.int64)]
            own += [column.of_queries(queries) for column in self._summed.values()]
        values: dict[str, np.ndarray] = {}
        for window in sorted({w for aggregate in self._exact for w in aggregate.feature.windows}):
            totals = windows.totals(window // MICROSECOND)
            for aggregate in self._exact:
                if window in aggregate.feature.windows:
                    values[aggregate.feature.feature_name(window)] = aggregate.values(totals, own)
        for aggregate in self._seen:
            row_values, own_values = aggregate.inputs(times.rows, queries)
            for window in aggregate.feature.windows:
                pairs = windows.pairs(window // MICROSECOND)
                values[aggregate.feature.feature_name(window)] = aggregate.values(
                    pairs, row_values, own_values
                )
        return values

    def _laid_versions(self) -> Versions | None:
        """When the row versions hold; None when all hold from when windows can first see them, for ever."""
        rows = self._rows
        if rows.superseded_at is None and rows.lateness <= self._delay:
            return None
        known_at = self._layout.lay(rows.known_at, self._stream).of_rows
        if rows.superseded_at is None:
            return Versions(known_at, None)
        return Versions(known_at, self._layout.lay(rows.superseded_at, self._stream).of_rows)

    def _exact_aggregate(self, feature: WindowFeature) -> ExactAggregate:
        if feature.column is None:
            return ExactAggregate(feature, 0, 0)
        numbers = self._numbers_of(feature)
        counted = self._position_of(feature, numbers, decimals=None) if numbers.has_missing else 0
        if feature.aggregation == "count":
            return ExactAggregate(feature, counted, counted)
        check_totals(numbers, feature)
        total = self._position_of(feature, numbers, decimals=feature.decimals)
        return ExactAggregate(feature, counted, total)

    def _position_of(self, feature: WindowFeature, numbers: Numbers, *, decimals: int | None) -> int:
        """Where the sums stand among the totals; position 0 is the number of rows."""
        key = (feature.column, decimals)
        if key not in self._summed:
            column: LaidColumn = self._layout.lay(numbers.values, self._stream)
            self._summed[key] = SummedColumn(column, decimals)
        return list(self._summed).index(key) + 1

    def _numbers_of(self, feature: WindowFeature) -> Numbers:
        column = str(feature.column)
        if column not in self._numbers:
            self._numbers[column] = read_numbers(self._rows.frame[column], feature)
        return self._numbers[column]

    def _seen_values(self, feature: WindowFeature) -> np.ndarray:
        if feature.aggregation != "distinct":
            return self._numbers_of(feature).values
        codes = as_codes(self._rows.frame[str(feature.column)])
        return np.where(codes < 0, np.nan, codes.astype(np.float64))
