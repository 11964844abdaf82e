"""Window features of one block as numbers: what to sum or look at, and how totals become feature values.

That is fixed-point scaling, the event's own value, and empty windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf, isnan

import numpy as np
import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.entity_blocks import BlockRows
from mlops_assets.core.features.offline.layout import LaidColumn
from mlops_assets.core.features.view import WindowFeature

LARGEST_TOTAL = 2.0**62
"""Sums of absolute scaled values up to here cannot overflow an int64."""
_NATIVE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.Float32, pl.Float64)
"""Types that are moved as they are, in the memory that they have, and become Float64 block by block."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers, of any type, with NaN for null."""

    values: np.ndarray
    has_missing: bool
    largest: float
    """The largest absolute value, 0 without any."""


@dataclass(frozen=True)
class SummedColumn:
    """What a feature sums of each row, as int64; 0 where the value is null."""

    column: LaidColumn
    decimals: int | None
    """None counts values; else they are scaled by 10**decimals and rounded half to even."""

    def of_rows(self, rows: BlockRows) -> np.ndarray:
        """What a block's rows add, in the order of entities."""
        return self._whole(rows.take(self.column.of_rows))

    def of_queries(self, queries: BlockRows) -> np.ndarray:
        """What the asked events themselves add."""
        return self._whole(queries.take(self.column.of_queries))

    def _whole(self, values: np.ndarray) -> np.ndarray:
        if self.decimals is None:
            return (~np.isnan(values)).astype(np.int64)
        return _scaled(values, self.decimals).astype(np.int64)


def _scaled(values: np.ndarray, decimals: int) -> np.ndarray:
    """round_half_even(value * 10**decimals) as Float64; 0 for NaN."""
    scaled = np.rint(values.astype(np.float64) * 10.0**decimals)
    scaled[np.isnan(scaled)] = 0.0
    return scaled


@dataclass(frozen=True)
class ExactAggregate:
    """count, sum or mean: from totals alone."""

    feature: WindowFeature
    count_position: int
    sum_position: int
    """Position of the scaled sum; that of the count for `count`."""

    def values(self, totals: Sequence[np.ndarray], own: Sequence[np.ndarray]) -> np.ndarray:
        """Feature values; NaN where the window is empty and nothing else is declared for it.

        `own` has, at the same positions as `totals`, what the events themselves would add.
        """
        count, total = totals[self.count_position], totals[self.sum_position]
        if self.feature.includes_current:
            count, total = count + own[self.count_position], total + own[self.sum_position]
        if self.feature.aggregation == "count":
            return count
        counted = np.maximum(count, 1) if self.feature.aggregation == "mean" else 1
        result = total / (counted * 10**self.feature.decimals)
        is_empty = count == 0
        if is_empty.any():
            result[is_empty] = _when_empty(self.feature)
        return result


@dataclass(frozen=True)
class SeenAggregate:
    """min, max, last or distinct: from each row in the window."""

    feature: WindowFeature
    column: LaidColumn
    """Value per row; NaN is null. For `distinct` a number that is equal for equal values."""

    def inputs(self, rows: BlockRows, queries: BlockRows) -> tuple[np.ndarray, np.ndarray]:
        """Values of a block's rows, and what its queries themselves add, which is NaN for nothing."""
        own = np.full(queries.code.size, np.nan)
        if self.feature.includes_current:
            own = _never_negative_zero(queries.take(self.column.of_queries))
        return _never_negative_zero(rows.take(self.column.of_rows)), own

    def values(
        self, pairs: Iterator[tuple[np.ndarray, np.ndarray]], row_values: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """Feature values; NaN where the window is empty and nothing else is declared for it.

        `pairs` are positions in `own` and in `row_values`.
        """
        valued = _valued(pairs, row_values)
        if self.feature.aggregation == "distinct":
            return _distinct(valued, own)
        result = self._from_rows(valued, own.size)
        if self.feature.aggregation == "last":
            result = np.where(np.isnan(own), result, own)
        else:
            result = self._extreme(result, own)
        return np.where(np.isnan(result), _when_empty(self.feature), result)

    @property
    def _extreme(self) -> np.ufunc:
        return np.fmin if self.feature.aggregation == "min" else np.fmax

    def _from_rows(self, pairs: Iterator[tuple[np.ndarray, np.ndarray]], size: int) -> np.ndarray:
        result = np.full(size, np.nan)
        for query, value in pairs:
            first = np.flatnonzero(np.diff(query, prepend=-1))
            if self.feature.aggregation == "last":
                last = np.append(first[1:], query.size) - 1
                result[query[last]] = value[last]
            else:
                result[query[first]] = self._extreme.reduceat(value, first)
        return result


def _distinct(pairs: Iterator[tuple[np.ndarray, np.ndarray]], own: np.ndarray) -> np.ndarray:
    """Number of different values per query, with its own; `own` is NaN where there is none."""
    result = np.zeros(own.size, dtype=np.int64)
    is_own_new = ~np.isnan(own)
    for query, value in pairs:
        order = np.lexsort((value, query))
        same_query, same_value = np.diff(query[order]) == 0, np.diff(value[order]) == 0
        is_new = np.append(True, ~(same_query & same_value))
        result += np.bincount(query[order][is_new], minlength=own.size)
        is_own_new[query[value == own[query]]] = False
    return result + is_own_new


def _valued(
    pairs: Iterator[tuple[np.ndarray, np.ndarray]], row_values: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Query and value of the pairs whose value is not null; pieces without any are left out."""
    for query, row in pairs:
        value = row_values[row]
        has_value = ~np.isnan(value)
        if has_value.any():
            yield query[has_value], value[has_value]


def _never_negative_zero(values: np.ndarray) -> np.ndarray:
    return np.add(values, 0.0, dtype=np.float64)


def _when_empty(feature: WindowFeature) -> float:
    return np.nan if feature.when_empty is None else feature.when_empty


def as_numbers(values: pl.Series, feature: WindowFeature) -> np.ndarray:
    """A column as Float64 with NaN for null, never -0.0.

    Raises: FeatureError for a column that is not numeric, or an infinite value.
    """
    return _never_negative_zero(read_numbers(values, feature).values)


def as_fixed_point(numbers: np.ndarray, feature: WindowFeature) -> np.ndarray:
    """round_half_even(value * 10**decimals) as int64, 0 for NaN.

    Raises: FeatureError when sums of the values could leave the range of an int64.
    """
    largest = float(np.fmax.reduce(np.abs(numbers), initial=0.0))
    check_totals(Numbers(numbers, has_missing=True, largest=largest), feature)
    return _scaled(numbers, feature.decimals).astype(np.int64)


def read_numbers(values: pl.Series, feature: WindowFeature) -> Numbers:
    """A column's numbers, in the memory that they have where that can be.

    Raises: FeatureError for a column that is not numeric, or an infinite value.
    """
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise FeatureError(
            f"{feature.name}: {feature.stream}.{feature.column} is {values.dtype}, not numeric"
        )
    if values.null_count() or values.dtype not in _NATIVE:
        values = values.cast(pl.Float64).fill_null(float("nan"))
    # Polars passes over NaN here, as over null; without any value, and without any but NaN, the result is that.
    ends = [float(end or 0) for end in (values.min(), values.max())]  # pyright: ignore[reportArgumentType]
    largest = max(0.0 if isnan(end) else abs(end) for end in ends)
    if isinf(largest):
        infinite = values.is_infinite().arg_true()
        raise FeatureError(
            f"{feature.name}: {feature.stream}.{feature.column} is infinite in {infinite.len()} rows, "
            f"for example {values[infinite[0]]} in row {infinite[0]} by event time: reject them by contract"
        )
    has_missing = values.dtype.is_float() and bool(values.is_nan().any())
    return Numbers(values.to_numpy(), has_missing, largest)


def check_totals(numbers: Numbers, feature: WindowFeature) -> None:
    """Refuse a column whose scaled values could sum up to more than an int64 holds.

    Raises: FeatureError for such a column.
    """
    decimals, values = feature.decimals, numbers.values
    if numbers.largest * 10.0**decimals * values.size <= LARGEST_TOTAL:
        return
    if np.abs(_scaled(values, decimals)).sum() > LARGEST_TOTAL:
        raise FeatureError(
            f"{feature.name}: sums of {feature.stream}.{feature.column} with {decimals} decimals leave the range "
            f"of an int64; the largest value is {numbers.largest}: declare fewer decimals, or another unit"
        )


def as_codes(values: pl.Series) -> np.ndarray:
    """A code that is equal for equal values, as int64 that sorts like the values; -1 for null and NaN."""
    if values.dtype.is_float():
        values = values.fill_nan(None) + 0.0
    if values.dtype.is_integer() and values.len() > values.null_count():
        low, high = int(values.min()), int(values.max())  # pyright: ignore[reportArgumentType]
        if high - low < 4 * values.len():
            codes = values.cast(pl.Int64)
            return (codes - low).fill_null(-1).to_numpy() if codes.null_count() else codes.to_numpy() - low
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy()
