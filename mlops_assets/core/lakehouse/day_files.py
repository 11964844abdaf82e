"""Which files hold each day of a table: what tells that a day's rows are those of before without reading them."""

from collections.abc import Mapping
from datetime import date

import polars as pl
from deltalake import DeltaTable

from mlops_assets.core.identity.content import value_digest


def day_files(stored: DeltaTable, column: str = "event_date") -> Mapping[date, str]:
    """Return a digest of the names of each day's files, by day; a day without rows has none.

    Files of a Delta table are never changed, and their names never used again: while the digest stays, the day's rows
    do. A rewrite of the same rows changes it. column: the day column that the table is partitioned by.
    """
    files = pl.DataFrame(stored.get_add_actions(flatten=True))
    if files.is_empty():
        return {}
    days = files.group_by(pl.col(f"partition.{column}").cast(pl.Date).alias("day")).agg(pl.col("path").sort())
    return {day: value_digest(paths) for day, paths in days.sort("day").iter_rows()}
