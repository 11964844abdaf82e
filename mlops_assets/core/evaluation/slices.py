"""Groups of rows by the value of one column, as declared in a product's `evaluation.slices`."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.product_spec import Slice

MISSING = "missing"
"""Group of the rows whose value is null or NaN: a group like any other, since it is often the one that
suffers."""


@dataclass(frozen=True)
class SliceRows:
    """The rows of one group of one slice."""

    slice: str
    group: str
    rows: npt.NDArray[np.int64]
    """Row numbers, ascending."""
    is_sensitive: bool


def slice_rows(frame: pl.DataFrame, slices: Sequence[Slice]) -> list[SliceRows]:
    """Cut the frame by each slice; every row is in exactly one group of a slice. Numeric groups come in
    order.

    Raises: EvaluationError for a column that the frame lacks, or breaks on a column that is not numeric.
    """
    return [part for declared in slices for part in _cut(frame, declared)]


def group_names(frame: pl.DataFrame, declared: Slice) -> pl.Series:
    """Name of each row's group: the value as text, `<a`, `a–<b`, `≥b` for breaks, `missing` for null and NaN.

    Raises: EvaluationError for a column that the frame lacks, or breaks on a column that is not numeric.
    """
    column = declared.column
    if column not in frame.columns:
        raise EvaluationError(
            f"evaluation.slices: the test rows have no column {column!r}; "
            f"they have {', '.join(frame.columns)}"
        )
    values = frame[column]
    if declared.breaks is None:
        return values.cast(pl.String).fill_null(MISSING).replace({"NaN": MISSING})
    if not values.dtype.is_numeric():
        raise EvaluationError(
            f"evaluation.slices: {column!r} is {values.dtype}, so it cannot have breaks; "
            "remove them to slice by value"
        )
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    names = np.array([*_break_names(declared.breaks), MISSING])
    index = np.searchsorted(np.array(declared.breaks), numbers, side="right")
    return pl.Series(column, names[np.where(np.isnan(numbers), len(names) - 1, index)], dtype=pl.String)


def _cut(frame: pl.DataFrame, declared: Slice) -> list[SliceRows]:
    names = group_names(frame, declared).to_numpy()
    present = sorted(set(names))
    if declared.breaks is not None:
        present = [n for n in (*_break_names(declared.breaks), MISSING) if n in set(present)]
    return [
        SliceRows(
            slice=declared.column,
            group=str(name),
            rows=np.flatnonzero(names == name),
            is_sensitive=declared.is_sensitive,
        )
        for name in present
    ]


def _break_names(breaks: Sequence[float]) -> list[str]:
    inner = [f"{low:g}–<{high:g}" for low, high in itertools.pairwise(breaks)]
    return [f"<{breaks[0]:g}", *inner, f"≥{breaks[-1]:g}"]
