"""What a model reaches for each sensitive group of some labelled rows: quality, share of decisions, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.bootstrap import Resamples, percentile_interval
from mlops_assets.core.evaluation.metrics import (
    DecisionMetrics,
    Labels,
    ProbabilityMetrics,
    RankingMetrics,
)
from mlops_assets.core.evaluation.resampled_metrics import Estimate, Population, resample_metrics
from mlops_assets.core.evaluation.slices import SliceRows, slice_rows
from mlops_assets.core.monitoring.quality.difference import Measured
from mlops_assets.core.product_spec import Evaluation, Slice

SELECTION, BIAS = "selection_rate_difference", "calibration_bias"
_ALL = "all rows"


@dataclass(frozen=True)
class GroupValue:
    """One metric of one group."""

    measured: Measured | None
    """None where it is undefined, or its interval cannot be claimed."""
    rows: int
    positives: int


GroupKey = tuple[str, str, str]
"""Slice, group and metric."""


def sensitive_slices(evaluation: Evaluation) -> tuple[Slice, ...]:
    """Return the declared slices that are sensitive."""
    return tuple(one for one in evaluation.slices if one.is_sensitive)


def measure_groups(
    rows: pl.DataFrame, *, label: str, score: str, evaluation: Evaluation
) -> Mapping[GroupKey, GroupValue]:
    """Measure each group of the sensitive slices, with intervals from one seeded bootstrap of all rows.

    rows: label (0/1), score, `decision`, every sensitive slice's column, and the evaluation's group column. label,
    score: names of columns. evaluation: slices, metric, confidence, seed.
    """
    parts = slice_rows(rows, sensitive_slices(evaluation))
    if rows.is_empty() or not parts:
        return {}
    labels: Labels = rows[label].cast(pl.Int8).to_numpy()
    populations = {("", _ALL): _population(rows, np.arange(rows.height), label, score, evaluation)}
    populations |= {(p.slice, p.group): _population(rows, p.rows, label, score, evaluation) for p in parts}
    group = evaluation.group_column
    groups = None if group is None else (rows[group].rank("dense").cast(pl.Int64) - 1).to_numpy()
    found = resample_metrics(
        populations,
        Resamples(rows.height, evaluation.bootstrap_samples, evaluation.seed, groups),
    )
    return {
        key: value
        for part in parts
        for key, value in _values(part, found, labels, evaluation).items()
    }  # fmt: skip


def _values(
    part: SliceRows,
    found: Mapping[tuple[str, str], Mapping[str, Estimate]],
    labels: Labels,
    evaluation: Evaluation,
) -> dict[GroupKey, GroupValue]:
    own, whole = found[part.slice, part.group], found["", _ALL]
    rate, of_all = own["selection_rate"], whole["selection_rate"]
    estimates = {
        evaluation.primary_metric: own[evaluation.primary_metric],
        SELECTION: Estimate(rate.value - of_all.value, rate.samples - of_all.samples),
        BIAS: own[BIAS],
    }
    positives = int(labels[part.rows].sum())
    return {
        (part.slice, part.group, metric): GroupValue(
            _measured(estimate, evaluation.confidence), len(part.rows), positives
        )
        for metric, estimate in estimates.items()
    }


def _measured(estimate: Estimate, confidence: float) -> Measured | None:
    interval = percentile_interval(estimate.samples, value=estimate.value, confidence=confidence)
    if interval.low is None or interval.high is None:
        return None
    return Measured(estimate.value, interval.low, interval.high)


def _population(
    rows: pl.DataFrame, chosen: np.ndarray, label: str, score: str, evaluation: Evaluation
) -> Population:
    part: Sequence[int] = chosen.tolist()
    own = rows[part]
    labels: Labels = own[label].cast(pl.Int8).to_numpy()
    scores = own[score].cast(pl.Float64).to_numpy()
    decisions = own["decision"].cast(pl.Float64).to_numpy()
    return Population(
        rows=chosen,
        metrics=(
            RankingMetrics(labels, scores),
            ProbabilityMetrics(labels, scores),
            DecisionMetrics(labels, decisions, threshold=0.5, cost=evaluation.cost),
        ),
    )
