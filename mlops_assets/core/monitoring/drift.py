"""Drift of features and score: a window of predictions against the champion's reference rows.

`judge_columns` turns two frames into one number per column, `judge_window` turns those into the window's
verdict; the two know nothing of each other's limits, so that either can be calibrated alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.population_stability import (
    MostlyConstant,
    mostly_constant,
    population_stability_index,
)
from mlops_assets.core.product_spec import Monitoring

ColumnVerdict = Literal["stable", "drift", "not_judged"]
WindowVerdict = Literal["stable", "drift", "inconclusive"]

TO_FRAME_SCHEMA = {
    "column": pl.String,
    "role": pl.String,
    "verdict": pl.String,
    "psi": pl.Float64,
    "share_psi": pl.Float64,
    "rest_psi": pl.Float64,
    "missing_psi": pl.Float64,
    "threshold": pl.Float64,
    "missing_share_reference": pl.Float64,
    "missing_share_current": pl.Float64,
    "mean_reference": pl.Float64,
    "mean_current": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class ColumnDrift:
    """One column of a window beside the same column of the reference."""

    column: str
    role: Literal["feature", "score"]
    verdict: ColumnVerdict
    psi: float | None
    """Population stability index of the values that are there, of a mostly constant column the larger one of that and
    of `rest_psi`; null when a side has none.
    """
    missing_psi: float | None
    """The same index of missing against present; null when a side has no rows."""
    threshold: float
    missing_share_reference: float | None
    missing_share_current: float | None
    mean_reference: float | None
    mean_current: float | None
    reason: str
    share_psi: float | None = None
    """Of a column that is mostly one value in the reference: the index of this value against all others; else null."""
    rest_psi: float | None = None
    """Of such a column the index of the other values alone; null when there are too few of them."""
    is_category: bool = False
    """Whether the values are codes of categories, compared one by one."""


@dataclass(frozen=True)
class DriftReport:
    """A window's verdict and the evidence for it."""

    verdict: WindowVerdict
    reason: str
    columns: tuple[ColumnDrift, ...]
    """Every feature in the given order, then the score."""
    rows_reference: int
    rows_current: int
    rows_seen_reference: int
    """Rows that were compared after sampling to `maximum_rows`."""
    rows_seen_current: int

    @property
    def features(self) -> tuple[ColumnDrift, ...]:
        """The feature columns."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def score(self) -> ColumnDrift:
        """The score: prediction drift."""
        return next(column for column in self.columns if column.role == "score")

    @property
    def drifted_share(self) -> float | None:
        """Share of the judged features that drifted; null when none could be judged."""
        return drifted_share(self.columns)

    @property
    def alarmed_columns(self) -> tuple[str, ...]:
        """Names of the drifted columns when the window alarms, the score included; else none."""
        if self.verdict != "drift":
            return ()
        return tuple(column.column for column in self.columns if column.verdict == "drift")

    def to_frame(self) -> pl.DataFrame:
        """One row per column, largest index first: the table for the lakehouse and for the asset's page."""
        rows = [{name: getattr(column, name) for name in TO_FRAME_SCHEMA} for column in self.columns]
        frame = pl.DataFrame(rows, schema=TO_FRAME_SCHEMA)
        largest = pl.max_horizontal("psi", "missing_psi")
        return frame.sort(largest, descending=True, nulls_last=True, maintain_order=True)


def drift_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    feature_names: Sequence[str],
    score: str,
    monitoring: Monitoring,
    seed: int,
    categories: Collection[str] = (),
) -> DriftReport:
    """Compare a window of predictions with the champion's reference rows and give a verdict with a reason.

    Both frames hold the features and the score, numeric; null, NaN and infinite count as missing. Sides
    above `maximum_rows` are sampled, seeded. With fewer than `minimum_rows` on a side the verdict is
    inconclusive; an empty side too. `categories` names the features whose values are codes.

    reference, current: the two frames. feature_names, score: their columns. monitoring: the declared limits. seed: of
    the sample.

    Raises: MonitoringError for a missing or non-numeric column.
    """
    names = [*feature_names, score]
    seen_reference = seen_rows(reference, names, side="reference", monitoring=monitoring, seed=seed)
    seen_current = seen_rows(current, names, side="current window", monitoring=monitoring, seed=seed)
    columns = judge_columns(
        seen_reference, seen_current, score=score, threshold=monitoring.psi_threshold, categories=categories
    )
    verdict, reason = judge_window(
        columns, rows_reference=reference.height, rows_current=current.height, monitoring=monitoring
    )
    return DriftReport(
        verdict=verdict,
        reason=reason,
        columns=columns,
        rows_reference=reference.height,
        rows_current=current.height,
        rows_seen_reference=seen_reference.height,
        rows_seen_current=seen_current.height,
    )


def judge_columns(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    score: str,
    threshold: float,
    categories: Collection[str] = (),
) -> tuple[ColumnDrift, ...]:
    """Judge each column of `reference` against the same column of `current`; the score comes last.

    A column drifts when the index of its values or the index of its missing share is above `threshold`. A
    column without a value on either side, or a frame without rows, is not judged.

    score: the name of its column. categories: the columns whose values are codes.
    """
    names = [name for name in reference.columns if name != score]
    return tuple(
        _judge_column(
            reference[name],
            current[name],
            role="score" if name == score else "feature",
            threshold=threshold,
            is_category=name in categories,
        )
        for name in (*names, score)
    )


def judge_window(
    columns: Sequence[ColumnDrift], *, rows_reference: int, rows_current: int, monitoring: Monitoring
) -> tuple[WindowVerdict, str]:
    """Turn the columns' verdicts into the window's verdict and a sentence that says why."""
    for rows, side in ((rows_reference, "reference"), (rows_current, "window")):
        if rows < monitoring.minimum_rows:
            return "inconclusive", f"the {side} has {rows} rows, {monitoring.minimum_rows} are needed"
    share = drifted_share(columns)
    score = next(column for column in columns if column.role == "score")
    if share is None and score.verdict == "not_judged":
        return "inconclusive", "no column has values to compare"
    drifted = [column.column for column in columns if column.verdict == "drift" and column.role == "feature"]
    found = f"{len(drifted)} of {_judged(columns)} features drifted" + (
        f" ({', '.join(drifted)})" if drifted else ""
    )
    found += f", the score {'drifted' if score.verdict == 'drift' else 'did not'}"
    if (share or 0.0) > monitoring.drift_share:
        return "drift", f"{found}; more than the share {monitoring.drift_share:g} of features"
    if score.verdict == "drift":
        return "drift", f"{found}: {score.reason}"
    return "stable", f"{found}; the window alarms above the share {monitoring.drift_share:g}"


def drifted_share(columns: Sequence[ColumnDrift]) -> float | None:
    """Return the share of judged features that drifted, null when no feature could be judged."""
    drifted = sum(column.verdict == "drift" for column in columns if column.role == "feature")
    judged = _judged(columns)
    return drifted / judged if judged else None


def _judged(columns: Sequence[ColumnDrift]) -> int:
    return sum(column.verdict != "not_judged" for column in columns if column.role == "feature")


def seen_rows(
    frame: pl.DataFrame, names: Sequence[str], *, side: str, monitoring: Monitoring, seed: int
) -> pl.DataFrame:
    """Return the named columns as Float64 with missing values as nulls, of at most `maximum_rows` rows, seeded.

    frame, names: the rows and the columns of them. side: what a message calls the frame. monitoring: the declared
    limits. seed: of the sample.

    Raises: MonitoringError for a missing or non-numeric column of that side.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise MonitoringError(
            f"drift: the {side} has no column {', '.join(missing)}; join the features first"
        )
    wrong = [
        name
        for name in names
        if not (frame.schema[name].is_numeric() or frame.schema[name] in (pl.Boolean, pl.Null))
    ]
    if wrong:
        types = ", ".join(f"{name} ({frame.schema[name]})" for name in wrong)
        raise MonitoringError(
            f"drift: the {side} has columns that are no numbers: {types}; code categories in the view"
        )
    values = frame.select(pl.col(list(names)).cast(pl.Float64))
    finite = values.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
    most = monitoring.maximum_rows
    return finite.sample(most, seed=seed) if finite.height > most else finite


def _judge_column(
    reference: pl.Series,
    current: pl.Series,
    *,
    role: Literal["feature", "score"],
    threshold: float,
    is_category: bool,
) -> ColumnDrift:
    ours, theirs = _present(reference), _present(current)
    psi = parts = None
    if ours.size and theirs.size:
        parts = mostly_constant(ours, theirs, is_category=is_category)
        whole = population_stability_index(ours, theirs, is_category=is_category)
        psi = max(whole, (parts and parts.rest_index) or 0.0)
    missing = _missing_index(reference, current)
    verdict, reason = _column_verdict(
        psi, missing, reference=ours.size, current=theirs.size, threshold=threshold
    )
    if parts is not None:
        reason += f"; {_told(parts)}"
    return ColumnDrift(
        column=reference.name,
        role=role,
        verdict=verdict,
        psi=psi,
        missing_psi=missing,
        threshold=threshold,
        missing_share_reference=_missing_share(reference),
        missing_share_current=_missing_share(current),
        mean_reference=float(ours.mean()) if ours.size else None,
        mean_current=float(theirs.mean()) if theirs.size else None,
        reason=reason,
        share_psi=parts.share_index if parts else None,
        rest_psi=parts.rest_index if parts else None,
        is_category=is_category,
    )


def _told(parts: MostlyConstant) -> str:
    shares = (
        f"{parts.share_reference:.1%} and now {parts.share_current:.1%} of the values are {parts.value:g}"
    )
    rest = "too few to compare" if parts.rest_index is None else f"index {parts.rest_index:.3f}"
    return f"{shares} (index {parts.share_index:.3f}), the others: {rest}"


def _column_verdict(
    psi: float | None, missing: float | None, *, reference: int, current: int, threshold: float
) -> tuple[ColumnVerdict, str]:
    if missing is None:
        return "not_judged", "a side has no rows"
    if missing > threshold:
        return "drift", f"missing share: index {missing:.3f} is above {threshold:g}"
    if psi is None:
        return "not_judged", f"values present: {reference} in the reference, {current} in the window"
    if psi > threshold:
        return "drift", f"values: index {psi:.3f} is above {threshold:g}"
    return "stable", f"values: index {psi:.3f} is not above {threshold:g}"


def _present(series: pl.Series) -> npt.NDArray[np.float64]:
    return series.drop_nulls().to_numpy()


def _missing_share(series: pl.Series) -> float | None:
    return series.null_count() / series.len() if series.len() else None


def _missing_index(reference: pl.Series, current: pl.Series) -> float | None:
    if not reference.len() or not current.len():
        return None
    return population_stability_index(
        reference.is_null().cast(pl.Float64).to_numpy(), current.is_null().cast(pl.Float64).to_numpy()
    )
