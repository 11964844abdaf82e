"""The days that a run materializes, in blocks that fit in memory."""

from collections.abc import Mapping
from datetime import date, timedelta

import dagster as dg

from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange

BLOCK_DAYS = 31
"""Days that are held in memory and committed at once: a month of a daily product, and what a killed run repeats."""
BLOCK_ROWS = 2_000_000
"""Rows up to which a block may be longer than that; the published features of so many take 1.7 GiB."""


def day_blocks(
    context: dg.AssetExecutionContext,
    column: DayColumn,
    time: TimeAxis | None,
    *,
    rows: Mapping[date, int] | None = None,
) -> list[DayRange | None]:
    """Return the run's partitions as consecutive blocks of days; one None for an unpartitioned asset.

    Each block is written by one commit: a month of daily partitions is one run and one commit, not thirty. With `rows`
    of each day a block goes on while it stays within BLOCK_ROWS: an asset that reads history before each block reads
    less of it twice.

    context: of the asset. column: what the days are of. time: the product's time axis; days that a first or last
    partition has beyond the data are left out. rows: of each day.
    """
    if not context.has_partition_key_range and not context.has_partition_key:
        return [None]
    first, end = days_of_run(context, time)
    blocks: list[DayRange | None] = []
    while first < end:
        block_end = _block_end(first, end, rows)
        blocks.append(DayRange(first, block_end, column))
        first = block_end
    return blocks


def days_of_run(context: dg.AssetExecutionContext, time: TimeAxis | None) -> tuple[date, date]:
    """Return the days [first, end) of a run's partitions that the data have."""
    window = context.partition_time_window
    first, end = window.start.date(), window.end.date()
    if time is None:
        return first, end
    return max(first, time.start_date), min(end, time.end_date or end)


def _block_end(first: date, end: date, rows: Mapping[date, int] | None) -> date:
    block_end = min(end, first + timedelta(days=BLOCK_DAYS))
    if rows is None:
        return block_end
    held = sum(rows.get(first + timedelta(days=day), 0) for day in range((block_end - first).days))
    while block_end < end and (held := held + rows.get(block_end, 0)) <= BLOCK_ROWS:
        block_end += timedelta(days=1)
    return block_end
