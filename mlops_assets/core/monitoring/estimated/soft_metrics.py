"""Metrics of scored rows whose labels are probabilities, draws or facts, many at once."""

import numpy as np

from mlops_assets.core.evaluation.metrics import (
    DecisionMetrics,
    Floats,
    ProbabilityMetrics,
    RankingMetrics,
)
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.product_spec import Cost

ESTIMATED_METRICS: tuple[str, ...] = (
    "auc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_bias",
    "precision",
    "true_positive_rate",
    "false_positive_rate",
    "cost_per_row",
)
"""Not the selection rate, which needs no label, and no folded metric, which noise alone would raise."""


class SoftMetrics:
    """The evaluation's metrics of rows that are 1 with a weight, and 0 with the rest of it.

    Each row stands twice, once with either label. With probabilities as weights that is the expected confusion matrix
    at every threshold at once, and what follows from it (confidence-based performance estimation).
    """

    def __init__(self, rows: ScoredRows, *, cost: Cost) -> None:
        labels = np.repeat(np.array([1, 0], dtype=np.int8), len(rows))
        scores, decisions = np.tile(rows.scores, 2), np.tile(rows.decisions, 2)
        self._metrics = (
            RankingMetrics(labels, scores),
            ProbabilityMetrics(labels, scores),
            DecisionMetrics(labels, decisions, threshold=0.5, cost=cost),
        )

    def __call__(self, positive: Floats, weights: Floats | float = 1.0) -> dict[str, Floats]:
        """Return one value per sample, of `positive`, (rows, samples): how much of a row is 1.

        `weights` says how often a row counts. NaN where a metric is undefined.
        """
        both = np.vstack([positive * weights, (1 - positive) * weights])
        found = {name: value for metrics in self._metrics for name, value in metrics(both).items()}
        return {name: found[name] for name in ESTIMATED_METRICS}

    def of(self, positive: Floats) -> dict[str, float]:
        """Return the value of each metric under one weighting, shape (rows,)."""
        return {name: float(value[0]) for name, value in self(positive[:, np.newaxis]).items()}
