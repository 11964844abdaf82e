"""Which days of a source differ from what was read of them before: rows that arrived late, changed, or went."""

import hashlib
from collections.abc import Mapping
from datetime import date

import polars as pl

from mlops_assets.core.lakehouse.day_range import DayColumn
from mlops_assets.core.times import KNOWN_AT

ROWS, NEWEST = "rows", "newest_known_at"
"""Columns of a cheap look at a source, beside `day`."""


def content_by_day(frame: pl.DataFrame, column: DayColumn) -> dict[date, str]:
    """Return by day a digest of its rows, in whatever order they are."""
    hashed = frame.select(pl.col(column).alias("day"), frame.hash_rows().alias("hash"))
    return {
        day: hashlib.blake2b(rows["hash"].sort().to_numpy().tobytes(), digest_size=8).hexdigest()
        for (day,), rows in hashed.group_by("day")
        if isinstance(day, date)
    }


def look_at_days(rows: pl.LazyFrame, day: pl.Expr) -> pl.DataFrame:
    """Return one row per day, in order: `day`, how many `rows` it has, and `newest_known_at` among them (UTC)."""
    known = pl.col(KNOWN_AT).max().alias(NEWEST)
    return (
        rows.group_by(day.alias("day")).agg(pl.len().cast(pl.Int64).alias(ROWS), known).sort("day").collect()
    )


def facts_by_day(look: pl.DataFrame) -> dict[date, str]:
    """Return by day what a look says of it, as text; see `look_at_days` for its columns."""
    return {
        day: f"{rows} rows until {newest}"
        for day, rows, newest in look.select("day", ROWS, NEWEST).iter_rows()
    }


def differing(source: Mapping[date, str], stored: Mapping[date, str]) -> dict[date, str]:
    """Return the days that differ, in order, each with what the source says of it; a day without rows says nothing."""
    days = sorted({*source, *stored})
    return {day: source.get(day, "") for day in days if source.get(day, "") != stored.get(day, "")}
