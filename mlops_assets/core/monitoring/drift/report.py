"""Drift of features and score: a window of predictions against what the champion was made from.

`learn_columns` turns the history into limits, once per champion; `judge_window` turns a window's profiles into
verdicts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.drift.column import (
    ColumnDrift,
    History,
    LearnedColumn,
    judge_column,
    learn_column,
)
from mlops_assets.core.monitoring.drift.day_faults import WHOLE_DAY
from mlops_assets.core.monitoring.finding import Cause, Finding, State
from mlops_assets.core.monitoring.profile import ColumnProfile

WindowVerdict = Literal["stable", "drift", "broken", "inconclusive"]

TO_FRAME_SCHEMA = {
    "column": pl.String,
    "role": pl.String,
    "verdict": pl.String,
    "moved": pl.Float64,
    "expected": pl.Float64,
    "limit": pl.Float64,
    "part": pl.String,
    "importance": pl.Float64,
    "consequence": pl.Float64,
    "psi": pl.Float64,
    "missing_share_reference": pl.Float64,
    "missing_share_current": pl.Float64,
    "mean_reference": pl.Float64,
    "mean_current": pl.Float64,
    "reason": pl.String,
}
_TOLD_FAULTS = 3
_STATES: Mapping[str, State] = {"stable": "ok", "drift": "alarm", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class DriftReport:
    """A window's verdict and the evidence for it."""

    verdict: WindowVerdict
    reason: str
    columns: tuple[ColumnDrift, ...]
    """Every feature in the given order, then the score."""
    importance: Mapping[str, float]
    """Share of the model's gain by feature; the score counts as 1."""
    rows_reference: int
    rows_current: int
    faults: tuple[Finding, ...] = ()
    """What is broken on days of the window."""
    joint: Finding | None = None
    """What columns do together; None where that is not judged."""

    @property
    def features(self) -> tuple[ColumnDrift, ...]:
        """The feature columns."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def score(self) -> ColumnDrift:
        """The score: prediction drift."""
        return next(column for column in self.columns if column.role == "score")

    def with_faults(self, faults: Sequence[Finding]) -> "DriftReport":
        """Return the report of a window in which something is broken: that is mended before a model is made anew."""
        if not faults:
            return self
        told = "; ".join(f"{fault.subject}, {fault.reason}" for fault in faults[:_TOLD_FAULTS])
        more = f"; and {len(faults) - _TOLD_FAULTS} more" if len(faults) > _TOLD_FAULTS else ""
        return replace(
            self, verdict="broken", reason=f"mend the source first: {told}{more}", faults=tuple(faults)
        )

    def with_joint(self, joint: Finding) -> "DriftReport":
        """Return the report with what columns do together: an alarm of it is drift of the window.

        Where something is broken on a day of the window, that explains it.
        """
        if joint.state != "alarm":
            return replace(self, joint=joint)
        if self.faults:
            return replace(self, joint=replace(joint, cause="broken"))
        drifted = ", ".join(self.alarmed_columns)
        by_itself = f"; drifted by itself: {drifted}" if drifted else "; no column drifted by itself"
        told = replace(joint, reason=joint.reason + by_itself)
        if self.verdict == "drift":
            return replace(self, joint=told)
        return replace(self, verdict="drift", reason=f"{joint.subject}: {told.reason}", joint=told)

    @property
    def alarmed_columns(self) -> tuple[str, ...]:
        """Names of the drifted columns, those that matter most first; none where something is broken."""
        if self.faults:
            return ()
        drifted = [column for column in self.columns if column.verdict == "drift"]
        return tuple(column.column for column in sorted(drifted, key=self._rank))

    def consequence(self, column: ColumnDrift) -> float | None:
        """How far a column moved, times how much the model leans on it; None where it was not compared."""
        weight = self.importance.get(column.column, 1.0 if column.role == "score" else 0.0)
        return None if column.moved is None else column.moved * weight

    def to_frame(self) -> pl.DataFrame:
        """One row per column, drifted ones first, then by consequence: the table for the lakehouse and for the page."""
        rows = []
        for column in sorted(self.columns, key=self._rank):
            row = {name: getattr(column, name, None) for name in TO_FRAME_SCHEMA}
            row["part"] = column.parts[0].part if column.parts else None
            row["importance"] = self.importance.get(column.column)
            row["consequence"] = self.consequence(column)
            rows.append(row)
        return pl.DataFrame(rows, schema=TO_FRAME_SCHEMA)

    def findings(self) -> tuple[Finding, ...]:
        """Return a finding per column, drift of a feature or of the prediction, what they do together, what is broken.

        A column that drifted is said to be broken where a fault of its own, or of the whole day, explains it; so is a
        score where any feature is.
        """
        broken = {fault.subject for fault in self.faults}

        def cause(column: ColumnDrift) -> Cause | None:
            if column.verdict != "drift":
                return None
            is_explained = (
                column.column in broken or WHOLE_DAY in broken or (broken and column.role == "score")
            )
            return "broken" if is_explained else "changed"

        drifted = tuple(
            Finding(
                topic="prediction_drift" if column.role == "score" else "drift",
                subject=column.column,
                state=_STATES[column.verdict],
                cause=cause(column),
                reason=column.reason,
                value=column.moved,
                expected=column.expected,
                limit=column.limit,
                consequence=self.consequence(column),
            )
            for column in self.columns
        )
        return (*drifted, *([self.joint] if self.joint is not None else []), *self.faults)

    def _rank(self, column: ColumnDrift) -> tuple[bool, float]:
        return (column.verdict != "drift", -(self.consequence(column) or 0.0))


def learn_columns(
    histories: Mapping[str, History], *, score: str, categories: Collection[str] = ()
) -> tuple[LearnedColumn, ...]:
    """Learn what each column's windows look like when nothing happens; the score comes last.

    histories: by column. score: the name of its column. categories: the columns whose values are codes.
    """
    names = [*(name for name in histories if name != score), score]
    return tuple(
        learn_column(
            histories[name],
            column=name,
            role="score" if name == score else "feature",
            is_category=name in categories,
        )
        for name in names
    )


def judge_window(
    learned: Sequence[LearnedColumn],
    current: Mapping[str, ColumnProfile],
    *,
    lag: float,
    chance: float,
    minimum_rows: int,
    importance: Mapping[str, float] | None = None,
) -> DriftReport:
    """Judge a window of predictions.

    learned: what `learn_columns` returned. current: the window's profiles by column; a column without one has no rows.
    lag: windows of time between the history's end and the window's start. chance: how probable a false alarm of a
    column may be. minimum_rows: with fewer rows the window is inconclusive. importance: share of the model's gain by
    feature.

    Raises: MonitoringError when nothing was learned.
    """
    if not learned:
        raise MonitoringError("drift: there is no column to compare; the model has no features")
    nothing = ColumnProfile(0, 0, learned[0].reference.values[:0], learned[0].reference.counts[:0])
    columns = tuple(
        judge_column(one, current.get(one.column, nothing), lag=lag, chance=chance) for one in learned
    )
    rows = max((profile.rows for profile in current.values()), default=0)
    verdict, reason = _window_verdict(columns, rows=rows, minimum_rows=minimum_rows)
    return DriftReport(
        verdict=verdict,
        reason=reason,
        columns=columns,
        importance=importance or {},
        rows_reference=max(one.reference.rows for one in learned),
        rows_current=rows,
    )


def _window_verdict(
    columns: Sequence[ColumnDrift], *, rows: int, minimum_rows: int
) -> tuple[WindowVerdict, str]:
    if rows < minimum_rows:
        return "inconclusive", f"the window has {rows} rows, {minimum_rows} are needed"
    drifted = [column for column in columns if column.verdict == "drift"]
    open_ones = [column for column in columns if column.verdict == "inconclusive"]
    features = [column.column for column in drifted if column.role == "feature"]
    known = sum(column.role == "feature" and column.verdict != "inconclusive" for column in columns)
    score = next(column for column in columns if column.role == "score")
    words = {"drift": "drifted", "stable": "did not", "inconclusive": "cannot be judged"}[score.verdict]
    found = f"{len(features)} of {known} judged features drifted" + (
        f" ({', '.join(features)})" if features else ""
    )
    found += f", the score {words}"
    if drifted:
        return "drift", f"{found}; {drifted[0].column}: {drifted[0].reason}"
    if len(open_ones) == len(columns):
        return "inconclusive", f"{columns[0].column}: {columns[0].reason}"
    left = f"; not judged: {', '.join(column.column for column in open_ones)}" if open_ones else ""
    return "stable", f"{found}{left}"
