"""The performance report of a window as findings."""

from collections.abc import Mapping

import polars as pl

from mlops_assets.core.monitoring.finding import Finding, State

_STATES: Mapping[str, State] = {"stable": "ok", "degraded": "alarm", "inconclusive": "inconclusive"}


def performance_findings(rows: pl.DataFrame, *, primary: str) -> tuple[Finding, ...]:
    """Return what a window's outcomes say of the primary metric; nothing where no outcome was known.

    rows: of the performance report, of one window.
    """
    return tuple(_finding(row) for row in rows.filter(pl.col("metric") == primary).iter_rows(named=True))


def _finding(row: Mapping[str, object]) -> Finding:
    interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    value = "has no value" if row["value"] is None else f"is {row['value']:.3f}{interval}"
    beside = (
        ""
        if row["reference_value"] is None
        else f", on the champion's test rows {row['reference_value']:.3f}"
    )
    return Finding(
        topic="performance",
        subject=str(row["metric"]),
        state=_STATES[str(row["window_verdict"])],
        reason=f"{row['title']} {value}{beside}: {row['window_verdict']}",
        value=_number(row["value"]),
        low=_number(row["low"]),
        high=_number(row["high"]),
        expected=_number(row["reference_value"]),
        limit=_number(row["limit"]),
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None
