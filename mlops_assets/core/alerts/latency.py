"""The p99 of a service's answers, by the hour, from the predictions that it captured."""

import math
from collections.abc import Iterator

import polars as pl

from mlops_assets.core.alerts.conditions import Window
from mlops_assets.core.alerts.rules import LATENCY_LIMIT_MS, LATENCY_SUBJECT, Rule, read_finding
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.upkeep.order_statistics import ENOUGH_ANSWERS, p99_with_bounds

SPANS_HOURS = (1, 6, 24)
"""A window is the shortest of these with enough answers, or the last."""
_OWN = Rule(name="latency", severity="warning", topics=("service",), above=LATENCY_LIMIT_MS)


def latency_windows(answers: pl.DataFrame, *, windows: int) -> tuple[Window, ...]:
    """Return the latest windows that end with an hour of answers, the oldest first; the newest hour may still go on.

    answers: one row per captured prediction, with `received_at`, `latency_seconds`, `role` and `error`. Events of one
    request count once; what a shadow scored and what failed was not answered, and does not count.
    """
    answered = (
        answers.filter(pl.col("role") != "shadow", pl.col("error").is_null())
        .unique(["received_at", "latency_seconds"])
        .select("received_at", "latency_seconds", hour=pl.col("received_at").dt.truncate("1h"))
    )
    hours = answered["hour"].unique().sort().to_list()[-windows:]
    return tuple(_windows(answered, hours))


def _windows(answered: pl.DataFrame, hours: list) -> Iterator[Window]:
    for hour in hours:
        for span in SPANS_HOURS:
            age = pl.lit(hour) - pl.col("hour")
            rows = answered.filter(age >= pl.duration(), age < pl.duration(hours=span))
            if len(rows) >= ENOUGH_ANSWERS:
                break
        finding = _finding((rows["latency_seconds"] * 1000).sort(), span)
        yield Window(f"{hour:%Y-%m-%dT%H}:00Z", (finding,))


def _finding(milliseconds: pl.Series, span: int) -> Finding:
    value, low, high = p99_with_bounds(milliseconds)
    bounds = f"at least {low:.0f}" if math.isinf(high) else f"{low:.0f} to {high:.0f}"
    hours = "hour" if span == 1 else f"{span} hours"
    told = f"99 of 100 of {len(milliseconds):,} answers within the {hours} took up to {value:.0f} ms ({bounds} ms)"
    if math.isinf(high):
        told += f"; whether it is less can be said from {ENOUGH_ANSWERS} answers on"
    found = Finding(
        topic="service", subject=LATENCY_SUBJECT, state="ok", reason=told, value=value, low=low, high=high
    )
    state = read_finding(_OWN, found).state
    return Finding(
        topic="service",
        subject=LATENCY_SUBJECT,
        state=state,
        reason=told,
        value=value,
        low=low,
        high=high,
        limit=LATENCY_LIMIT_MS,
    )
