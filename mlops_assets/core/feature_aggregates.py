"""Window features of one block as numbers: what to sum or look at, and how totals become feature values.

What lives here: fixed-point scaling, the event's own value, empty windows. What must not live here: which
rows a query sees (`feature_windows`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.feature_view import WindowFeature

LARGEST_TOTAL = 2.0**62
"""Sums of absolute scaled values up to here cannot overflow an int64."""


@dataclass
class SummedColumns:
    """The int64 columns that a group of features sums, each once."""

    arrays: list[np.ndarray] = field(default_factory=list)
    _positions: dict[object, int] = field(default_factory=dict)

    def position(self, key: object, values: np.ndarray) -> int:
        """Where the totals of `values` stand among the totals; position 0 is the number of rows."""
        if key not in self._positions:
            self.arrays.append(values)
            self._positions[key] = len(self.arrays)
        return self._positions[key]


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
        divisor = 10**self.feature.decimals * (count if self.feature.aggregation == "mean" else 1)
        result = np.full(count.size, _when_empty(self.feature))
        return np.divide(total, divisor, out=result, where=count > 0)


@dataclass(frozen=True)
class SeenAggregate:
    """min, max, last or distinct: from each row in the window."""

    feature: WindowFeature
    row_values: np.ndarray
    """Value per row; NaN is null. For `distinct` a number that is equal for equal values."""

    def values(
        self, pairs: Iterator[tuple[np.ndarray, np.ndarray]], rows: np.ndarray, own_rows: np.ndarray
    ) -> np.ndarray:
        """Feature values; NaN where the window is empty and nothing else is declared for it.

        `pairs` are positions in `own_rows` and in `rows`, which are positions in `row_values`.
        """
        own = np.full(own_rows.size, np.nan)
        if self.feature.includes_current:
            own = self.row_values[own_rows]
        valued = _valued(pairs, self.row_values[rows])
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


def _when_empty(feature: WindowFeature) -> float:
    return np.nan if feature.when_empty is None else feature.when_empty


def as_numbers(values: pl.Series, feature: WindowFeature) -> np.ndarray:
    """A column as Float64 with NaN for null, never -0.0.

    Raises: FeatureError for a column that is not numeric, or an infinite value.
    """
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise FeatureError(
            f"{feature.name}: {feature.stream}.{feature.column} is {values.dtype}, not numeric"
        )
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy() + 0.0
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        raise FeatureError(
            f"{feature.name}: {feature.stream}.{feature.column} is infinite in {infinite.size} rows, "
            f"for example {numbers[infinite[0]]} in row {infinite[0]} by event time: reject them by contract"
        )
    return numbers


def as_fixed_point(numbers: np.ndarray, feature: WindowFeature) -> np.ndarray:
    """round_half_even(value * 10**decimals) as int64, 0 for null.

    Raises: FeatureError when sums of the values could leave the range of an int64.
    """
    scaled = np.rint(np.where(np.isnan(numbers), 0.0, numbers) * 10.0**feature.decimals)
    if np.abs(scaled).sum() > LARGEST_TOTAL:
        largest = np.nanmax(np.abs(numbers))
        raise FeatureError(
            f"{feature.name}: sums of {feature.stream}.{feature.column} with {feature.decimals} decimals leave "
            f"the range of an int64; the largest value is {largest}: declare fewer decimals, or another unit"
        )
    return scaled.astype(np.int64)


def as_codes(values: pl.Series) -> np.ndarray:
    """A code that is equal for equal values, as int64 that sorts like the values; -1 for null and NaN."""
    if values.dtype.is_float():
        values = values.fill_nan(None) + 0.0
    if values.dtype.is_integer() and values.len() > values.null_count():
        low, high = int(values.min()), int(values.max())  # pyright: ignore[reportArgumentType]
        if high - low < 4 * values.len():
            return (values.cast(pl.Int64) - low).fill_null(-1).to_numpy()
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy()
