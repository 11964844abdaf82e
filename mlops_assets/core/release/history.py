"""The table `release`: the plans of the record, one row each, as the asset `release` shows them."""

from collections.abc import Sequence

import polars as pl

from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.release.plan import ReleasePlan, plan_row
from mlops_assets.core.times import UTC_TIME

TABLE = "release"
SCHEMA = {
    "product": pl.String,
    "sequence": pl.Int64,
    "mode": pl.String,
    "champion_version": pl.Int64,
    "other_version": pl.Int64,
    "other_role": pl.String,
    "other_percent": pl.Int64,
    "since": UTC_TIME,
    "by": pl.String,
    "reason": pl.String,
    "plan": pl.String,
}


def write_history(
    tables: DeltaTables, product: str, plans: Sequence[ReleasePlan], *, commit: CommitInfo
) -> pl.DataFrame:
    """Make the table from the record's plans, and return it: one row per plan, in their order."""
    rows = pl.DataFrame([plan_row(product, plan) for plan in plans], schema=SCHEMA)
    tables.write(product, TABLE, rows, days=None, commit=commit)
    return rows
