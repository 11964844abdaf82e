"""The days that a run materializes, in blocks that fit in memory, and the days that rows are of."""

from datetime import timedelta

import dagster as dg
import polars as pl

from mlops_assets.core.day_range import DayColumn, DayRange
from mlops_assets.core.product import Product

BLOCK_DAYS = 31
"""Days that are held in memory and committed at once: a month of a daily product, and what a killed run repeats."""


def day_blocks(
    context: dg.AssetExecutionContext, column: DayColumn, *, block_days: int = BLOCK_DAYS
) -> list[DayRange | None]:
    """Return the run's partitions as consecutive blocks of days; one None for an unpartitioned asset.

    Each block is written by one commit: a month of daily partitions is one run and one commit, not thirty.
    """
    if not context.has_partition_key_range and not context.has_partition_key:
        return [None]
    window = context.partition_time_window
    first, end = window.start.date(), window.end.date()
    blocks: list[DayRange | None] = []
    while first < end:
        block_end = min(end, first + timedelta(days=block_days))
        blocks.append(DayRange(first, block_end, column))
        first = block_end
    return blocks


def event_days(product: Product, rows: pl.DataFrame) -> DayRange | None:
    """Return the days from the oldest to the newest event of `rows`; None for a cohort, or without rows.

    A join with `events` then reads a week of it instead of all its history.
    """
    if product.view.event_timestamp is None or rows.is_empty():
        return None
    day = pl.col(product.view.event_timestamp).dt.date()
    first, last = rows.select(day.min().alias("first"), day.max().alias("last")).row(0)
    return DayRange(first, last + timedelta(days=1), "event_date")
