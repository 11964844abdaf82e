"""Findings and columns of windows as monitoring makes them, for pages."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.drift.column import History
from mlops_assets.core.monitoring.drift.windows import ComparedColumn
from mlops_assets.core.monitoring.finding import Finding, State, findings_frame
from mlops_assets.core.monitoring.pages.window_page import FurtherPage, WindowFacts
from mlops_assets.core.monitoring.profile import add, profile_column

FIRST = date(2018, 4, 1)


def facts(name: str = "2018-05-31", *, further: tuple[FurtherPage, ...] = ()) -> WindowFacts:
    return WindowFacts(
        product="fraud_detection",
        title="Fraud detection",
        name=name,
        days=f"2018-05-25 to {name}",
        version=3,
        as_of="2018-05-20 00:00 UTC",
        reference="what the version knew of 2017-05-21 to 2018-05-19",
        false_alarms=1.0,
        could_tell_from="2018-06-12",
        further=further,
    )


def drift_finding(
    subject: str, *, state: State = "ok", moved: float | None = 0.05, limit: float | None = 0.2
) -> Finding:
    return Finding(
        topic="drift",
        subject=subject,
        state=state,
        cause="changed" if state == "alarm" else None,
        reason=f"{moved or 0:.1%} of the rows moved to other values: 4.0% is usual",
        value=moved,
        expected=0.04,
        limit=limit,
        consequence=0.1 * (moved or 0.0),
    )


def performance_finding(state: State, *, value: float | None = 0.7) -> Finding:
    return Finding(
        topic="performance",
        subject="average_precision",
        state=state,
        reason="Average precision is 0.700 [0.650, 0.750]",
        value=value,
        low=None if value is None else value - 0.05,
        high=None if value is None else value + 0.05,
        expected=0.72,
        limit=0.68,
    )


def fault_finding(subject: str, day: str) -> Finding:
    return Finding(
        topic="data_quality",
        subject=subject,
        state="alarm",
        cause="broken",
        reason=f"{day}: 96% of the values are missing",
        value=0.96,
        limit=0.1,
        partition=day,
    )


def compared(
    values: Sequence[float] | np.ndarray, *, is_category: bool = False, seed: int = 0
) -> ComparedColumn:
    """A window of the values beside eight windows of the history, drawn from the same ones and shifted a little."""
    rng = np.random.default_rng(seed)
    window = pl.Series("x", values, dtype=pl.Float64)
    past = [
        profile_column(
            window.sample(window.len(), with_replacement=True, seed=number), is_category=is_category
        )
        for number in rng.integers(0, 1000, 8).tolist()
    ]
    return ComparedColumn(
        History(tuple(past), add(past), 4), profile_column(window, is_category=is_category), is_category
    )


def verdicts_of(windows: int, *, columns: int = 4, seed: int = 0) -> pl.DataFrame:
    """The table of findings of daily windows: performance, its estimate, the score and columns, some of them alarms."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(windows):
        day = FIRST + timedelta(days=number)
        moved = np.abs(rng.normal(0.08, 0.05, columns + 1))
        found = [
            performance_finding(
                "alarm" if number % 50 == 49 else "ok", value=None if number % 17 == 0 else 0.72
            ),
            Finding(
                topic="estimated_performance",
                subject="average_precision",
                state="inconclusive" if number % 9 == 0 else "ok",
                reason="Average precision is estimated at 0.71",
                value=0.71,
                low=0.66,
                high=0.76,
                limit=0.68,
            ),
            Finding(
                topic="prediction_drift",
                subject="score",
                state="ok",
                reason="4% moved",
                value=moved[-1],
                limit=0.3,
            ),
            *(
                drift_finding(f"column_{place}", state="alarm" if share > 0.2 else "ok", moved=float(share))
                for place, share in enumerate(moved[:-1])
            ),
        ]
        if number % 40 == 20:
            found.append(fault_finding("amount_usd", day.isoformat()))
        frames.append(
            findings_frame(found).with_columns(
                champion_version=pl.lit(1 + number // 100, pl.Int64), event_date=pl.lit(day)
            )
        )
    return pl.concat(frames)
