"""In which form a request carries a column of the contract, and how long a text may be."""

from typing import Literal

import pandera.polars as pa
import polars as pl

Carried = Literal["whole", "number", "text", "truth", "time"]
MAXIMUM_CHARACTERS = 1000
"""Of a text whose length the contract does not limit by `str_length`."""
WHOLE_BOUNDS = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**63 - 1),
}
"""Smallest and largest value of each integer type; of UInt64 that which a Delta table holds."""


def carried_as(dtype: pl.DataType | None) -> Carried | None:
    """Return the form in which a request carries a type; None when it carries none of it.

    A number is read as the nearest one of the column's type, a time is cut to whole microseconds.
    """
    if dtype is None:
        return None
    if dtype.base_type() in WHOLE_BOUNDS:
        return "whole"
    if dtype in (pl.Float64(), pl.Float32()):
        return "number"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if dtype == pl.Boolean():
        return "truth"
    return "time" if dtype == pl.Datetime("us", "UTC") else None


def limits_length(column: pa.Column) -> bool:
    """Say whether the contract itself limits a text's length, by a length or by the texts that it allows."""
    return any(
        check.name == "isin"
        or (
            check.name == "str_length"
            and {"max_value", "exact_value"}
            & {k for k, v in (check.statistics or {}).items() if v is not None}
        )
        for check in column.checks
    )
