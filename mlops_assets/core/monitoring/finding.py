"""What monitoring says: one finding per topic and subject of a window, and the table's row that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from mlops_assets.core.declared.alerts import Topic

State = Literal["ok", "alarm", "inconclusive"]
Cause = Literal["broken", "changed"]

FINDINGS_SCHEMA = {
    "topic": pl.String,
    "subject": pl.String,
    "state": pl.String,
    "cause": pl.String,
    "reason": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "expected": pl.Float64,
    "limit": pl.Float64,
    "consequence": pl.Float64,
    "partition": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one topic says about one subject of a window."""

    topic: Topic
    subject: str
    """The column, metric, slice or resource that it speaks of."""
    state: State
    """`ok` and `alarm` only where the whole interval is on one side of the limit."""
    reason: str
    """One sentence for people, with its numbers."""
    cause: Cause | None = None
    """Whether an upstream is broken or the world changed; None where neither is said."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    """What the reference leads one to expect."""
    limit: float | None = None
    """The value at which it alarms."""
    consequence: float | None = None
    """How much it matters, comparable inside a product; None where it is unknown."""
    partition: str | None = None
    """The day that it points at; None where it speaks of the whole window."""


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Return one row per finding, alarms first, the larger consequence first among them; nulls mean unknown."""
    rank = {"alarm": 0, "inconclusive": 1, "ok": 2}
    ordered = sorted(findings, key=lambda one: (rank[one.state], -(one.consequence or 0.0)))
    rows = [{name: getattr(one, name) for name in FINDINGS_SCHEMA} for one in ordered]
    return pl.DataFrame(rows, schema=FINDINGS_SCHEMA)


def findings_from_frame(frame: pl.DataFrame) -> tuple[Finding, ...]:
    """Read back what `findings_frame` made, in its order; other columns are left out."""
    return tuple(Finding(**row) for row in frame.select(list(FINDINGS_SCHEMA)).iter_rows(named=True))
