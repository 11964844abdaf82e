"""Metrics of scored rows under many draws of their labels, each a 0 or 1.

All but average precision are linear in the labels, or follow from sums that are: one matrix product gives them for all
draws. The AUC is Mann and Whitney's (1947), from the sum of the positives' ranks.
"""

import numpy as np
import numpy.typing as npt

from mlops_assets.core.evaluation.metrics import Booleans, Floats
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import ESTIMATED_METRICS
from mlops_assets.core.product_spec import Cost

Integers = npt.NDArray[np.int64]


class DrawnMetrics:
    """The evaluation's metrics of rows under labels that are drawn; rows are sorted once."""

    def __init__(self, rows: ScoredRows, *, cost: Cost) -> None:
        self._order: Integers = np.argsort(-rows.scores, kind="stable")
        scores, flagged = rows.scores[self._order], rows.decisions[self._order] >= 0.5
        self._ends = (
            np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.arange(0)
        )
        self._has_ties = len(self._ends) < len(scores)
        epsilon = np.finfo(np.float64).eps
        of_one, of_zero = -np.log(np.clip(scores, epsilon, 1)), -np.log(np.clip(1 - scores, epsilon, 1))
        squared_one, squared_zero = (1 - scores) ** 2, scores**2
        # Of each row: what a 1 adds to a sum; what all rows are worth as 0 is added later. Single precision is enough.
        terms = [
            np.ones(len(scores)),
            flagged,
            _ranks(self._ends),
            squared_one - squared_zero,
            of_one - of_zero,
        ]
        self._terms = np.stack(terms).astype(np.float32)
        self._flagged, self._cost = float(flagged.sum()), cost
        self._squared, self._log_loss = float(squared_zero.sum()), float(of_zero.sum())
        self._mean_score = float(scores.mean()) if len(scores) else float("nan")

    def __call__(self, labels: Booleans) -> dict[str, Floats]:
        """Return one value per draw, of `labels`, (rows, draws); NaN where a metric is undefined."""
        rows, _ = labels.shape
        ordered = labels[self._order]
        sums = (self._terms @ ordered.astype(np.float32)).astype(np.float64)
        positives, hits, ranks, squared, log_loss = sums
        negatives, false_alarms = rows - positives, self._flagged - hits
        cost = self._cost.false_positive * false_alarms + self._cost.false_negative * (positives - hits)
        with np.errstate(invalid="ignore", divide="ignore"):
            both = np.where((positives > 0) & (negatives > 0), 1.0, np.nan)
            found = {
                "auc": both * (ranks - positives * (positives + 1) / 2) / (positives * negatives),
                "average_precision": both * self._precision_sum(ordered) / positives,
                "brier": (self._squared + squared) / rows,
                "log_loss": (self._log_loss + log_loss) / rows,
                "calibration_bias": self._mean_score - positives / rows,
                "precision": hits / np.where(self._flagged, self._flagged, np.nan),
                "true_positive_rate": hits / positives,
                "false_positive_rate": false_alarms / negatives,
                "cost_per_row": cost / rows,
            }
        return {name: found[name] for name in ESTIMATED_METRICS}

    def _precision_sum(self, ordered: Booleans) -> Floats:
        """Sum the precision at each positive's score; positives of one score count at the end of their ties."""
        hits = np.cumsum(ordered, axis=0, dtype=np.float32)
        if self._has_ties:
            hits = hits[self._ends]
            gained = np.diff(hits, axis=0, prepend=np.float32(0))
        else:
            gained = ordered
        hits /= (self._ends + 1).astype(np.float32)[:, np.newaxis]
        hits *= gained
        return hits.sum(axis=0, dtype=np.float64)


def _ranks(ends: Integers) -> Floats:
    """Rank of each row from the lowest score, rows in descending order; rows of one score share the mean of theirs."""
    if not len(ends):
        return np.empty(0)
    starts = np.append(0, ends[:-1] + 1)
    total = int(ends[-1]) + 1
    return np.repeat(total - (starts + ends) / 2, ends - starts + 1)
