"""Latency and failures of the service in a window, from the predictions that it captured."""

import math

import polars as pl

from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.upkeep.order_statistics import (
    CONFIDENCE,
    ENOUGH_ANSWERS,
    p99_with_bounds,
)
from mlops_assets.core.times import UTC_TIME

P99_SUBJECT, FAILURES_SUBJECT = "window_p99_latency_ms", "window_failed_share"
"""Not the subject of the hourly alert on latency, which has windows of its own."""
P99_LIMIT_MS = 200.0
FAILED_LIMIT = 0.01
SERVICE_COLUMNS = {
    "received_at": UTC_TIME,
    "latency_seconds": pl.Float64,
    "role": pl.String,
    "error": pl.String,
}
"""What is read of a captured prediction."""


def service_findings(answers: pl.DataFrame) -> tuple[Finding, ...]:
    """Judge the p99 of the answers and the share of predictions that failed; nothing where none was captured.

    Requests that a service refuses before it scores them are not captured, and not counted.

    answers: one row per captured prediction of a window's events, with `received_at`, `latency_seconds`, `role` and
    `error`. What a shadow scored is left out.
    """
    ours = answers.select(list(SERVICE_COLUMNS)).filter(pl.col("role") != "shadow")
    if ours.is_empty():
        return ()
    answered = ours.filter(pl.col("error").is_null()).unique(["received_at", "latency_seconds"])
    latency = (_p99((answered["latency_seconds"] * 1000).sort()),) if answered.height else ()
    return (*latency, _failures(failed=ours.height - int(ours["error"].null_count()), of=ours.height))


def _p99(milliseconds: pl.Series) -> Finding:
    value, low, high = p99_with_bounds(milliseconds)
    bounds = f"at least {low:.0f}" if math.isinf(high) else f"{low:.0f} to {high:.0f}"
    told = f"99 of 100 of {len(milliseconds):,} answers took up to {value:.0f} ms ({bounds} ms)"
    if math.isinf(high):
        told += f"; whether it is less can be said from {ENOUGH_ANSWERS} answers on"
    return Finding(
        topic="service", subject=P99_SUBJECT, state=_state(low, high, P99_LIMIT_MS), reason=told, value=value, low=low,
        high=None if math.isinf(high) else high, limit=P99_LIMIT_MS,
    )  # fmt: skip


def _failures(*, failed: int, of: int) -> Finding:
    """Judge a share with Clopper and Pearson's interval (1934)."""
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, failed, of - failed + 1)) if failed else 0.0
    high = float(beta.isf(tail, failed + 1, of - failed)) if failed < of else 1.0
    return Finding(
        topic="service", subject=FAILURES_SUBJECT, state=_state(low, high, FAILED_LIMIT),
        reason=f"{failed:,} of {of:,} captured predictions failed ({low:.2%} to {high:.2%} of all)",
        value=failed / of, low=low, high=high, limit=FAILED_LIMIT,
    )  # fmt: skip


def _state(low: float, high: float, limit: float) -> State:
    return "alarm" if low > limit else "ok" if high <= limit else "inconclusive"
