"""Rates of decisions per group of a sensitive attribute, and the gaps between groups, by fairlearn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.evaluation.metrics import Booleans, Floats, Labels

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame


def group_rates(
    labels: Labels, decisions: Booleans, groups: npt.NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """`selection_rate`, `true_positive_rate`, `false_positive_rate` by group name.

    NaN where a group has no positive (no negative) rows: fairlearn answers 0 there, which would read as the
    worst treatment of a group about which nothing is known.
    """
    by_group = _metric_frame(labels, decisions, groups).by_group
    rates = {
        str(group): {str(name): float(rate) for name, rate in row.to_dict().items()}
        for group, row in by_group.iterrows()
    }
    for group, row in rates.items():
        classes = set(labels[groups == group].tolist())
        row["true_positive_rate"] = row["true_positive_rate"] if 1 in classes else float("nan")
        row["false_positive_rate"] = row["false_positive_rate"] if 0 in classes else float("nan")
    return rates


def rate_gaps(labels: Labels, decisions: Booleans, groups: npt.NDArray[np.str_]) -> dict[str, float]:
    """`selection_rate_gap` and `true_positive_rate_gap`: largest rate of any group minus the smallest.

    The caller leaves out the rows of groups that are too small to be judged. Groups without positive rows do
    not enter the true positive rate's gap. NaN with fewer than two groups.
    """
    with_positives = np.isin(groups, np.unique(groups[labels == 1]))
    return {
        "selection_rate_gap": _gap(labels, decisions, groups, "selection_rate"),
        "true_positive_rate_gap": _gap(
            labels[with_positives], decisions[with_positives], groups[with_positives], "true_positive_rate"
        ),
    }


def resampled_gap(rates: Mapping[str, Floats]) -> Floats:
    """Gap per resample from the groups' resampled rates; NaN in a resample in which any group's rate is
    undefined.
    """
    stacked = np.stack(list(rates.values()))
    return stacked.max(axis=0) - stacked.min(axis=0)


def _gap(labels: Labels, decisions: Booleans, groups: npt.NDArray[np.str_], rate: str) -> float:
    if len(np.unique(groups)) < 2:
        return float("nan")
    gaps = _metric_frame(labels, decisions, groups).difference(method="between_groups")
    return float(dict(gaps)[rate])


def _metric_frame(labels: Labels, decisions: Booleans, groups: npt.NDArray[np.str_]) -> "MetricFrame":
    """Hand fairlearn the counts of (group, label, decision) as sample weights: the same rates, without a list
    per row.
    """
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    metrics = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    }
    rows = pl.DataFrame({"group": groups, "label": labels, "decision": decisions.astype(np.int8)})
    counts = rows.group_by("group", "label", "decision").len().sort("group", "label", "decision")
    weights = {"sample_weight": counts["len"].to_numpy()}
    return MetricFrame(
        metrics=metrics,
        y_true=counts["label"].to_numpy(),
        y_pred=counts["decision"].to_numpy(),
        sensitive_features=counts["group"].to_list(),
        sample_params=dict.fromkeys(metrics, weights),
    )
