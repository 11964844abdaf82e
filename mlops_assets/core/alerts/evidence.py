"""What rules judge, read from the lakehouse: the latest windows of the verdicts, and of the service's answers."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from mlops_assets.core.alerts.conditions import DAY, Window, windows_from_verdicts
from mlops_assets.core.alerts.latency import SPANS_HOURS, latency_windows
from mlops_assets.core.alerts.rules import Rule
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.predictions.captured import TABLE as SERVED

VERDICTS = "verdicts"
_LONGEST_SILENCE = timedelta(days=30)
"""How far apart the hours of a latency rule may lie; what is older is not read."""


def evidence_version(tables: DeltaTables, product: str) -> str:
    """Return a text that changes whenever `latest_windows` may return something else."""
    return " ".join(str(tables.version(product, table)) for table in (VERDICTS, SERVED))


def latest_windows(tables: DeltaTables, product: str, rules: Sequence[Rule]) -> tuple[Window, ...]:
    """Return as many of the latest windows as the rules look at; none of what was never written."""
    most = max((rule.of_windows for rule in rules), default=1)
    found: tuple[Window, ...] = ()
    if tables.exists(product, VERDICTS):
        found += _latest_verdicts(tables, product, most)
    if tables.exists(product, SERVED) and any("service" in rule.topics for rule in rules):
        found += _latest_answers(tables, product, most)
    return found


def _latest_verdicts(tables: DeltaTables, product: str, most: int) -> tuple[Window, ...]:
    rows = tables.scan(product, VERDICTS)
    if DAY in rows.collect_schema():
        # A topic that waits for labels has its newest window weeks before that of another one.
        days = rows.select("topic", DAY).unique().collect()
        latest = days.filter(pl.col(DAY).rank("dense", descending=True).over("topic") <= most)[DAY]
        rows = rows.filter(pl.col(DAY).is_in(latest.unique().implode()))
    return windows_from_verdicts(rows.collect())


def _latest_answers(tables: DeltaTables, product: str, most: int) -> tuple[Window, ...]:
    rows = tables.scan(product, SERVED).select("received_at", "latency_seconds", "role", "error")
    newest = rows.select(pl.col("received_at").max()).collect().item()
    if newest is None:
        return ()
    since = newest - min(_LONGEST_SILENCE, timedelta(hours=most + max(SPANS_HOURS)))
    return latency_windows(rows.filter(pl.col("received_at") >= since).collect(), windows=most)
