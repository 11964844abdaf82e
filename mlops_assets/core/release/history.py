"""The append-only history of release plans: the table `release`, and what the registry holds that it lacks.

Only the asset `release` writes the table. Plans that people and jobs made since are kept in the registry until then
(`release/control.py`), so that no plan is ever missing.
"""

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


def read_history(tables: DeltaTables, product: str) -> pl.DataFrame:
    """Return the table, one row per plan, in the order of the plans; no rows when there is none yet."""
    if not tables.exists(product, TABLE):
        return pl.DataFrame(schema=SCHEMA)
    return tables.read(product, TABLE).sort("sequence")


def append_plans(
    tables: DeltaTables, product: str, plans: Sequence[ReleasePlan], *, commit: CommitInfo
) -> pl.DataFrame:
    """Append the plans that the table lacks, in one commit, and return the whole history."""
    known = set(read_history(tables, product)["sequence"])
    rows = [plan_row(product, plan) for plan in plans if plan.sequence not in known]
    if rows:
        tables.append(product, TABLE, pl.DataFrame(rows, schema=SCHEMA), commit=commit)
    return read_history(tables, product)


def all_plans(tables: DeltaTables, product: str, plans: Sequence[ReleasePlan]) -> tuple[ReleasePlan, ...]:
    """Return every plan that ever stood, oldest first: those of the table and those of the registry, `plans`."""
    stored = map(ReleasePlan.from_json, read_history(tables, product)["plan"])
    by_sequence = {plan.sequence: plan for plan in (*stored, *plans)}
    return tuple(plan for _, plan in sorted(by_sequence.items()))
