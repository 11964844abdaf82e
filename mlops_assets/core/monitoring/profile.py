"""What is kept of a day's rows for monitoring: each column's values, rounded and counted, so that days add up.

A profile is a sample with weights. Adding those of several days gives the profile of the window, however long it is and
whatever model is asked about: no bin is chosen before the question is known. Columns of few values are kept as they
are. Others are rounded in their binary form, as logarithmic histograms do (Tene 2012, HdrHistogram; Masson, Rim & Lee
2019, DDSketch, VLDB 12): `MANTISSA_BITS` binary digits after the first keep every value within 1.6 % and a day of any
size within some hundred values. A quantile sketch would be smaller, but only its ranks would be within a bound, and a
shift of a tenth of the rows would have to be told from its error.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EXACT_VALUES = 256
"""A day's column of at most so many different values is kept as it is."""
MANTISSA_BITS = 5
_FINER_BITS = range(MANTISSA_BITS, 52, 2)
FEWEST_BINS = 64
"""Where rounding leaves fewer values (all near 1,000, say), it is done finer, until there are so many."""
_DOUBLE_MANTISSA = 52

PROFILE_SCHEMA = {
    "event_date": pl.Date,
    "made_by": pl.String,
    "column": pl.String,
    "role": pl.String,
    "rows": pl.Int64,
    "missing": pl.Int64,
    "values": pl.List(pl.Float64),
    "counts": pl.List(pl.Int64),
}
"""One row per day, maker and column. `made_by`: the digest of the view, or of the model for its score. `missing`:
nulls, NaN and infinite values. `values`: the others, rounded, ascending, with `counts` of each."""


@dataclass(frozen=True)
class ColumnProfile:
    """A column of some rows."""

    rows: int
    missing: int
    """Nulls, NaN and infinite values."""
    values: Floats
    """The other values, rounded, ascending."""
    counts: Integers
    """Rows of each value."""

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


def profile_column(values: pl.Series, *, is_category: bool = False) -> ColumnProfile:
    """Count a numeric column's values; a category's codes are never rounded."""
    numbers = values.cast(pl.Float64).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    kept, counts = _counted(finite, is_category=is_category)
    return ColumnProfile(len(numbers), len(numbers) - len(finite), kept, counts)


def add(profiles: Sequence[ColumnProfile]) -> ColumnProfile:
    """Return the profile of all rows together; of nothing, an empty one."""
    rows, missing = sum(one.rows for one in profiles), sum(one.missing for one in profiles)
    values = np.concatenate([one.values for one in profiles]) if profiles else np.empty(0)
    if not len(values):
        return ColumnProfile(rows, missing, values, np.empty(0, np.int64))
    order = np.argsort(values, kind="stable")  # merges the profiles, which are sorted
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.concatenate([one.counts for one in profiles])
    return ColumnProfile(rows, missing, ordered[starts], np.add.reduceat(counts[order], starts))


def profile_days(
    rows: pl.DataFrame,
    *,
    day: str,
    columns: Mapping[str, str],
    made_by: str,
    categories: Collection[str] = (),
) -> pl.DataFrame:
    """Return the profiles of each day of some rows, as `PROFILE_SCHEMA` has them, by day and column.

    rows: numeric columns and their day. day: the name of its column. columns: role by name. made_by: what made the
    columns. categories: the columns whose values are codes.
    """
    made: list[dict[str, object]] = []
    for (when,), part in rows.partition_by(day, as_dict=True, include_key=False).items():
        for name, role in columns.items():
            profile = profile_column(part[name], is_category=name in categories)
            made.append(
                {
                    "event_date": when,
                    "made_by": made_by,
                    "column": name,
                    "role": role,
                    "rows": profile.rows,
                    "missing": profile.missing,
                    "values": profile.values,
                    "counts": profile.counts,
                }
            )
    return pl.DataFrame(made, schema=PROFILE_SCHEMA).sort("event_date", "column", maintain_order=True)


def profiles_by_day(table: pl.DataFrame, column: str) -> dict[date, ColumnProfile]:
    """Read one column's profiles back from rows of one maker."""
    chosen = table.filter(pl.col("column") == column)
    lists = zip(chosen["values"], chosen["counts"], strict=True)
    return {
        when: ColumnProfile(rows, missing, values.to_numpy(), counts.to_numpy())
        for (when, rows, missing), (values, counts) in zip(
            chosen.select("event_date", "rows", "missing").iter_rows(), lists, strict=True
        )
    }


def _counted(finite: Floats, *, is_category: bool) -> tuple[Floats, Integers]:
    finite = finite + 0.0  # a negative zero is a zero
    if is_category:
        return _sorted_counts(finite.view(np.int64))
    seen = np.unique(finite[: 4 * EXACT_VALUES])
    if len(seen) <= EXACT_VALUES:
        exact = _sorted_counts(finite.view(np.int64))
        if len(exact[0]) <= EXACT_VALUES:
            return exact
    for bits in _FINER_BITS:
        shift = _DOUBLE_MANTISSA - bits
        counted = _sorted_counts((finite.view(np.int64) + (1 << (shift - 1))) >> shift << shift)
        if len(counted[0]) >= FEWEST_BINS:
            break
    return counted


def _sorted_counts(bits: Integers) -> tuple[Floats, Integers]:
    counted = pl.Series("bits", bits).value_counts()
    values = counted["bits"].to_numpy().view(np.float64)
    order = np.argsort(values, kind="stable")
    return values[order], counted["count"].cast(pl.Int64).to_numpy()[order]
