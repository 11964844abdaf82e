"""The decision threshold: chosen by cost on validation rows, applied to rows that were not used to choose
it.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.metrics import Floats, Labels, ThresholdCurve, threshold_curve
from mlops_assets.core.product_spec import Cost


@dataclass(frozen=True)
class DecisionThreshold:
    """`probability >= value` is flagged."""

    value: float
    cost_per_row: float
    """Mean cost on the rows that chose it, in the unit of the product's cost."""
    rows: int
    positives: int
    theoretical: float
    """Where a perfectly calibrated probability would be cut: cost of a false positive by the sum of both
    costs (Elkan 2001, The Foundations of Cost-Sensitive Learning)."""


def choose_threshold(labels: Labels, probabilities: Floats, *, cost: Cost) -> DecisionThreshold:
    """Take the threshold of least cost over all distinct cuts of the rows; of equal cuts the one that flags
    fewest.

    A cut lies halfway between two neighbouring probabilities, so that a difference in the last bit decides
    nothing. Flagging nothing (threshold above 1) and everything (threshold 0) are cuts too.

    Raises: EvaluationError without rows, or with a missing probability.
    """
    if len(labels) == 0 or np.isnan(probabilities).any():
        missing = int(np.isnan(probabilities).sum())
        raise EvaluationError(
            f"no threshold can be chosen: {len(labels)} validation rows, {missing} of them without a "
            "probability; pass the candidate's predictions of all validation rows"
        )
    curve = threshold_curve(labels, probabilities)
    costs = np.append(cost.false_negative * curve.positives / len(labels), _cost_per_row(curve, cost))
    best = int(np.argmin(costs))
    highest, lowest = float(np.nextafter(1.0, 2.0)), 0.0
    above = curve.threshold[best - 1] if best > 0 else highest
    below = curve.threshold[best] if best < len(curve.threshold) else lowest
    is_all = best == len(curve.threshold)
    total_cost = cost.false_positive + cost.false_negative
    return DecisionThreshold(
        value=highest if best == 0 else lowest if is_all else float((above + below) / 2),
        cost_per_row=float(costs[best]),
        rows=len(labels),
        positives=curve.positives,
        theoretical=cost.false_positive / total_cost if total_cost > 0 else 0.5,
    )


def threshold_table(
    labels: Labels, probabilities: Floats, *, cost: Cost, threshold: DecisionThreshold, points: int = 101
) -> pl.DataFrame:
    """Cost and rates of the given rows over a range of thresholds, one row each, lowest threshold first.

    The thresholds are quantiles of the probabilities (half of the points spread over the highest tenth, where
    rare positives are) and the chosen one, marked by `is_chosen`. Columns: threshold, cost_per_row, precision
    (null where nothing is flagged), recall (null without positives), flagged_share, is_chosen.

    labels: 0 or 1, one per probability. cost: of a false alarm and of a miss.
    """
    shares = np.concatenate([np.linspace(0, 0.9, points // 2), np.linspace(0.9, 1, points - points // 2)])
    values = np.unique(np.append(np.quantile(probabilities, shares), threshold.value))
    flagged = probabilities[None, :] >= values[:, None]
    true_positives = (flagged & (labels == 1)).sum(axis=1)
    false_positives = flagged.sum(axis=1) - true_positives
    positives = int((labels == 1).sum())
    total_cost = cost.false_positive * false_positives + cost.false_negative * (positives - true_positives)
    with np.errstate(invalid="ignore"):
        frame = pl.DataFrame(
            {
                "threshold": values,
                "cost_per_row": total_cost / len(labels),
                "precision": true_positives / flagged.sum(axis=1),
                "recall": true_positives / np.float64(positives),
                "flagged_share": flagged.mean(axis=1),
                "is_chosen": values == threshold.value,
            }
        )
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _cost_per_row(curve: ThresholdCurve, cost: Cost) -> Floats:
    rows = curve.positives + curve.negatives
    missed = curve.positives - curve.true_positives
    return (cost.false_positive * curve.false_positives + cost.false_negative * missed) / rows
