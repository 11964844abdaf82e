"""Scored rows as arrays: what an estimate of quality is made from, of the reference and of a window alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.evaluation.metrics import Booleans, Floats

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredRows:
    """Rows that one model version scored, one entry each."""

    scores: Floats
    """Probability of the label 1, as the champion gave it."""
    decisions: Floats
    """1 where the row was flagged, else 0."""
    features: Floats
    """(rows, features); NaN where a value is missing."""
    groups: Integers
    """Code of the group whose rows are not independent, from 0 without gaps; without groups, of the row itself."""
    labels: Floats
    """0 or 1; NaN where it is not known yet."""
    days: Integers | None = None
    """Number of the day of each row's event, from any origin; None where rows have no time."""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def is_known(self) -> Booleans:
        """Whether each row's label is known."""
        return ~np.isnan(self.labels)

    def where(self, chosen: Booleans) -> "ScoredRows":
        """Return the chosen rows, their groups numbered anew."""
        groups = np.unique(self.groups[chosen], return_inverse=True)[1].astype(np.int64)
        return ScoredRows(
            self.scores[chosen], self.decisions[chosen], self.features[chosen], groups, self.labels[chosen],
            None if self.days is None else self.days[chosen],
        )  # fmt: skip


def scored_rows(
    frame: pl.DataFrame,
    *,
    label: str,
    score: str,
    feature_names: Sequence[str],
    group: str | None,
    day: str | None = None,
) -> ScoredRows:
    """Take the columns that an estimate needs; the frame has a column `decision` too.

    A null label is one that is not known yet, a null feature a missing value. label, score: names of the columns.
    feature_names: numeric columns in which a shift of the population would show. group: column of entities whose rows
    are not independent; None takes rows as independent. day: column of the events' dates, or of their numbers; None
    says nothing of time.

    Raises: MonitoringError for a missing column, a null score, decision, group or day, or a label other than 0 and 1.
    """
    optional = [name for name in (group, day) if name is not None]
    _check(frame, [label, *feature_names], [score, "decision", *optional], label=label)
    codes = pl.int_range(pl.len()) if group is None else pl.col(group).rank("dense").cast(pl.Int64) - 1
    features = frame.select(pl.col(list(feature_names)).cast(pl.Float64)) if feature_names else None
    return ScoredRows(
        scores=frame[score].cast(pl.Float64).to_numpy(),
        decisions=frame["decision"].cast(pl.Float64).to_numpy(),
        features=np.zeros((frame.height, 0)) if features is None else features.to_numpy(),
        groups=frame.select(codes.alias("group"))["group"].to_numpy(),
        labels=frame[label].cast(pl.Float64).to_numpy(),
        days=None if day is None else frame[day].to_physical().cast(pl.Int64).to_numpy(),
    )


def _check(frame: pl.DataFrame, nullable: Sequence[str], complete: Sequence[str], *, label: str) -> None:
    missing = [name for name in (*nullable, *complete) if name not in frame.columns]
    if missing:
        raise MonitoringError(f"estimated performance: the rows have no column {', '.join(missing)}")
    for name in complete:
        if count := frame[name].null_count():
            raise MonitoringError(f"estimated performance: {count} of {frame.height} rows have a null {name}")
    wrong = frame[label].drop_nulls().filter(~frame[label].drop_nulls().is_in([0, 1]))
    if len(wrong):
        raise MonitoringError(
            f"estimated performance: {len(wrong)} labels are not 0 or 1, for example {wrong[0]!r}"
        )
