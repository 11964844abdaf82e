"""Who is compared on the test rows: the candidate and those it is compared with, checked before anything is
computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.metrics import Booleans, Floats, Labels


@dataclass(frozen=True)
class Contender:
    """One source of scores for the test rows, in their order."""

    name: str
    scores: Floats
    """Higher means more likely positive; NaN where this contender has no prediction."""
    is_probability: bool = True
    """False: the score only ranks, so nothing that needs a probability is computed."""

    @property
    def known_rows(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows that it predicts."""
        return np.flatnonzero(~np.isnan(self.scores))


def check_labels(rows: pl.DataFrame, label: str) -> Labels:
    """Take the labels out of the test rows.

    Raises: EvaluationError for no rows, a missing column, a label that is not 0 or 1, or one class only.
    """
    if label not in rows.columns:
        raise EvaluationError(
            f"the test rows have no label column {label!r}; they have {', '.join(rows.columns)}"
        )
    if rows.height == 0:
        raise EvaluationError("there are no test rows; widen the test window (split.test_days or test_share)")
    wrong = rows.filter(pl.col(label).is_null() | ~pl.col(label).is_in([0, 1]))
    if wrong.height:
        example = wrong[label][0]
        raise EvaluationError(
            f"{label}: {wrong.height} of {rows.height} test rows are not 0 or 1, e.g. {example!r}"
        )
    labels = rows[label].cast(pl.Int8).to_numpy()
    if len(np.unique(labels)) == 1:
        raise EvaluationError(
            f"{label}: all {rows.height} test rows are {labels[0]}, so nothing can be told apart; "
            "widen the test window"
        )
    return labels


def check_contenders(contenders: Sequence[Contender], *, rows: int) -> None:
    """Make sure that every contender's scores are what they claim to be; the first one is the candidate.

    Raises: EvaluationError naming the contender and the first bad row.
    """
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) != len(names):
        raise EvaluationError(f"contenders need at least a candidate, and distinct names; got {names}")
    for contender in contenders:
        if contender.scores.shape != (rows,):
            raise EvaluationError(
                f"{contender.name}: {contender.scores.shape} scores for {rows} test rows; "
                "pass one for each row, NaN for none"
            )
        if len(contender.known_rows) == 0:
            raise EvaluationError(f"{contender.name} has no prediction for any test row; leave it out")
        _refuse(contender, np.isinf(contender.scores), "are infinite")
        if contender.is_probability:
            outside = (contender.scores < 0) | (contender.scores > 1)
            _refuse(
                contender, outside, "are not probabilities; pass is_probability=False for a ranking score"
            )
    candidate = contenders[0]
    _refuse(candidate, np.isnan(candidate.scores), "are missing; the candidate predicts every row")
    if not candidate.is_probability:
        raise EvaluationError(f"{candidate.name}: the candidate must give probabilities; calibrate it first")


def _refuse(contender: Contender, is_bad: Booleans, what: str) -> None:
    bad = np.flatnonzero(is_bad)
    if len(bad):
        example = f"e.g. {contender.scores[bad[0]]} in row {bad[0]}"
        raise EvaluationError(f"{contender.name}: {len(bad)} of {len(is_bad)} scores {what} ({example})")
