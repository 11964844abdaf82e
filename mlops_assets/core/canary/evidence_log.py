"""The append-only table `canary_evidence`: what each canary was judged, whenever that changed and when it ended."""

from datetime import datetime

import polars as pl
from deltalake import DeltaTable

from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.judge import EVIDENCE, Judgement
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.times import UTC_TIME

TABLE = "canary_evidence"
SCHEMA: dict[str, pl.DataType] = {
    "champion": pl.Int64(),
    "challenger": pl.Int64(),
    "first_plan": pl.Int64(),
    "plan_sequence": pl.Int64(),
    "percent": pl.Int64(),
    "at": UTC_TIME,
    "received_date": pl.Date(),
    "is_final": pl.Boolean(),
    "action": pl.String(),
    "reason": pl.String(),
    **EVIDENCE,
}
"""One row per question of a judgement; `first_plan` names the canary, `plan_sequence` its step, `at` the judgement.
Final is the judgement that was made once the canary had ended; its action is what the judge would have asked for.
"""
_COMPARED = ("plan_sequence", "is_final", "action", "question", "verdict")
"""A judgement changes when one of these does; evidence grows with every request."""


def log_judgement(
    tables: DeltaTables, canary: Canary, judgement: Judgement, *, at: datetime, is_final: bool = False
) -> bool:
    """Append the judgement, one row per question, unless it is the canary's newest one already; return whether it was.

    Nothing is appended after a final one. Writers that race append it once.

    tables: the lakehouse. at: when it was made, UTC. is_final: whether the canary ended with it.
    """
    rows = _rows(canary, judgement, at=at, is_final=is_final)
    commit = CommitInfo(run_id=f"judge {at:%Y-%m-%dT%H:%M:%SZ}")
    if _is_known(rows, newest_judgement(tables, canary.product, canary=canary)):
        return False

    def missing(stored: DeltaTable | None) -> tuple[pl.DataFrame, CommitInfo]:
        known = None if stored is None else _newest(pl.scan_delta(stored).collect(), canary)
        return (rows.clear() if _is_known(rows, known) else rows), commit

    tables.append_derived(canary.product, TABLE, missing, day_column="received_date")
    return True


def newest_judgement(
    tables: DeltaTables, product: str, *, canary: Canary | None = None
) -> pl.DataFrame | None:
    """Return the rows of the newest judgement on the canary, or on any of the product's; None without one."""
    if not tables.exists(product, TABLE):
        return None
    return _newest(tables.scan(product, TABLE).collect(), canary)


def is_open(tables: DeltaTables, canary: Canary) -> bool:
    """Whether the canary was judged while it stood, and not since it ended."""
    newest = newest_judgement(tables, canary.product, canary=canary)
    return newest is not None and not newest["is_final"].any()


def _newest(logged: pl.DataFrame, canary: Canary | None) -> pl.DataFrame | None:
    if canary is not None:
        logged = logged.filter(challenger=canary.challenger, first_plan=canary.steps[0].sequence)
    if logged.is_empty():
        return None
    return logged.filter(pl.col("at") == pl.col("at").max())


def _is_known(rows: pl.DataFrame, newest: pl.DataFrame | None) -> bool:
    if newest is None:
        return False
    return newest["is_final"].any() or set(newest.select(_COMPARED).rows()) == set(
        rows.select(_COMPARED).rows()
    )


def _rows(canary: Canary, judgement: Judgement, *, at: datetime, is_final: bool) -> pl.DataFrame:
    return judgement.evidence.with_columns(
        champion=canary.champion,
        challenger=canary.challenger,
        first_plan=canary.steps[0].sequence,
        plan_sequence=canary.step.sequence,
        percent=canary.step.percent,
        at=pl.lit(at, UTC_TIME),
        received_date=pl.lit(at.date()),
        is_final=pl.lit(is_final),
        action=pl.lit(judgement.action),
        reason=pl.lit(judgement.reason),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
