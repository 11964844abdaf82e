"""Captured requests beside the lakehouse's own rows of the same events: whether callers send what the source delivers.

A model learns from the lakehouse. A request with another content is a skew that no replay of the request can show.
"""

from datetime import timedelta

import polars as pl

from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.parity.compare import SCHEMA
from mlops_assets.core.times import KNOWN_AT

HOUR = timedelta(hours=1)


def compare_requests(view: FeatureView, history: pl.DataFrame, captured: pl.DataFrame) -> pl.DataFrame:
    """Compare each captured event (see `captured_events`) with the versions that `history` has of it.

    One row per day and column of the request, with the columns of `parity.SCHEMA`; an event that the lakehouse does not
    hold yet is not compared. A value agrees when some version has it.
    """
    key, time = view.id_column, view.event_timestamp
    columns = [name for name in view.input_columns if name not in (key, KNOWN_AT)]
    first = captured.unique(key, keep="first", maintain_order=True)
    both = first.join(history.select(key, *columns), on=key, how="inner", suffix="_lakehouse")
    day = pl.col(time).dt.date() if time else pl.lit(None, pl.Date)
    rows = [_column(both.with_columns(event_date=day), key, name) for name in columns]
    return pl.concat(rows).sort("event_date", maintain_order=True) if rows else pl.DataFrame(schema=SCHEMA)


def _column(both: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    mine, theirs = pl.col(name), pl.col(f"{name}_lakehouse")
    dtype = both.schema[name]
    distance = pl.lit(None, pl.Float64)
    if dtype.is_numeric():
        distance = (mine.cast(pl.Float64) - theirs.cast(pl.Float64)).abs()
    elif dtype.is_temporal():
        distance = (mine - theirs).dt.total_seconds().abs().cast(pl.Float64)
    events = both.group_by("event_date", key, maintain_order=True).agg(
        (~mine.eq_missing(theirs)).all().alias("wrong"),
        distance.min().alias("distance"),
        mine.first().cast(pl.String).fill_null("null").alias("served"),
        theirs.first().cast(pl.String).fill_null("null").alias("derived"),
        (_is_rounded(mine, theirs, dtype)).any().alias("is_rounded"),
        (_is_shifted(mine, theirs, dtype)).any().alias("is_shifted"),
    )
    wrong = pl.col("wrong")
    counted = events.group_by("event_date", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("compared"),
        wrong.sum().cast(pl.Int64).alias("different"),
        pl.col("distance").filter(wrong).max().alias("largest_difference"),
        pl.col(key).cast(pl.String).filter(wrong).first().alias("example_id"),
        pl.col("served", "derived").filter(wrong).first(),
        *(pl.col(flag).filter(wrong).all().alias(flag) for flag in ("is_rounded", "is_shifted")),
    )
    diagnosis = (
        pl.when(pl.col("different") == 0)
        .then(None)
        .when("is_shifted")
        .then(pl.lit("time zone: requests and lakehouse are whole hours apart"))
        .when("is_rounded")
        .then(pl.lit("float32 cast: the request is the lakehouse's value rounded to 32 bits"))
        .otherwise(pl.lit("unexplained: the caller sends another value than the source delivers"))
    )
    return counted.with_columns(
        kind=pl.lit("request"),
        feature=pl.lit(name),
        feature_view=pl.lit(None, pl.String),
        share=pl.col("different") / pl.col("compared"),
        diagnosis=diagnosis,
    ).select(pl.col(column).cast(of) for column, of in SCHEMA.items())


def _is_rounded(mine: pl.Expr, theirs: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return mine == theirs.cast(pl.Float32).cast(pl.Float64) if dtype.is_float() else pl.lit(value=False)


def _is_shifted(mine: pl.Expr, theirs: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(value=False)
    apart = (mine - theirs).dt.total_microseconds()
    return (apart != 0) & (apart % int(HOUR / timedelta(microseconds=1)) == 0)
