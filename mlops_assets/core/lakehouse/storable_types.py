"""Which Polars types a Delta table holds, and the lossless casts of the others.

Delta Lake knows no unsigned integers, no Categorical, no Time and no Duration; deltalake 1.6 fails on some of
them and silently changes others, so every frame passes here before it is written.
"""

import polars as pl
from polars.datatypes import DataTypeClass

from mlops_assets.core.errors import TableError

_WIDER = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
    pl.Float16: pl.Float32(),
}
_KEPT = (
    pl.Int8,
    pl.Int16,
    pl.Int32,
    pl.Int64,
    pl.Float32,
    pl.Float64,
    pl.Boolean,
    pl.String,
    pl.Binary,
    pl.Date,
    pl.Decimal,
)
_ADVICE = {
    pl.Null: "it holds nothing but nulls, so it has no type; cast it to the type of other days",
    pl.Time: "store seconds since midnight as an integer, with the unit in the column's name",
    pl.Duration: "store a number, with the unit in the column's name, for example *_seconds",
}


def to_storable(frame: pl.DataFrame, *, subject: str) -> pl.DataFrame:
    """Cast every column to a type that a Delta table returns unchanged, without changing a value.

    Categorical and Enum become String, unsigned integers the next wider signed one, times microseconds in
    UTC, fixed-size arrays lists. `subject` names the table in messages.
    Raises: TableError naming the column, for types that have no lossless form (Null, Time, Duration, Int128,
    Object) and for values that do not fit (UInt64 above 2^63-1, nanoseconds).
    """
    target = {name: _storable(dtype, subject=subject, column=name) for name, dtype in frame.schema.items()}
    changed = {name: dtype for name, dtype in target.items() if dtype != frame.schema[name]}
    casts = [_cast(frame[name], dtype, subject=subject) for name, dtype in changed.items()]
    return frame.with_columns(casts) if casts else frame


def _storable(dtype: pl.DataType | DataTypeClass, *, subject: str, column: str) -> pl.DataType:
    kind = dtype.base_type()
    if kind in _WIDER:
        return _WIDER[kind]
    if kind in (pl.Categorical, pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(_storable(dtype.inner, subject=subject, column=column))
    if isinstance(dtype, pl.Struct):
        return pl.Struct(
            {f.name: _storable(f.dtype, subject=subject, column=f"{column}.{f.name}") for f in dtype.fields}
        )
    if isinstance(dtype, _KEPT):
        return dtype
    advice = _ADVICE.get(
        kind, "cast it to a type that Delta Lake holds, for example Int64, Float64 or String"
    )
    raise TableError(
        f"{subject}: column {column} has type {dtype}, which a Delta table cannot hold; {advice}"
    )


def _cast(values: pl.Series, dtype: pl.DataType, *, subject: str) -> pl.Series:
    try:
        stored = values.cast(dtype)
    except pl.exceptions.InvalidOperationError as error:
        raise TableError(f"{subject}: column {values.name} does not fit {dtype}: {error}") from error
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_unit == "ns":
        lost = values.filter(stored.cast(values.dtype) != values)
        if lost.len():
            raise TableError(
                f"{subject}: column {values.name} holds nanoseconds in {lost.len()} rows, "
                f"for example {lost[0]}; a Delta table keeps microseconds: round them in the source"
            )
    return stored
