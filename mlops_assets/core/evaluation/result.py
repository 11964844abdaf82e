"""What an evaluation found, as one frozen object: tables that gates, plots, reports and the lakehouse read."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, Self

import polars as pl

from mlops_assets.core.evaluation.decision_threshold import DecisionThreshold

Kind = Literal["metric", "difference", "slice", "slice_difference", "fairness", "fairness_gap"]

ESTIMATE_SCHEMA = pl.Schema(
    {
        "kind": pl.String,
        "contender": pl.String,
        "against": pl.String,
        "slice": pl.String,
        "group": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "rows": pl.Int64,
        "positives": pl.Int64,
        "degenerate": pl.Int64,
        "is_enough": pl.Boolean,
    }
)
CURVE_SCHEMA = pl.Schema(
    {
        "contender": pl.String,
        "threshold": pl.Float64,
        "precision": pl.Float64,
        "recall": pl.Float64,
        "false_positive_rate": pl.Float64,
    }
)
CALIBRATION_SCHEMA = pl.Schema(
    {
        "contender": pl.String,
        "bin": pl.Int64,
        "mean_prediction": pl.Float64,
        "observed_rate": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "rows": pl.Int64,
        "positives": pl.Int64,
    }
)
THRESHOLD_SCHEMA = pl.Schema(
    {
        "threshold": pl.Float64,
        "cost_per_row": pl.Float64,
        "precision": pl.Float64,
        "recall": pl.Float64,
        "flagged_share": pl.Float64,
        "is_chosen": pl.Boolean,
    }
)
_FRAMES = {
    "estimates": ESTIMATE_SCHEMA,
    "curves": CURVE_SCHEMA,
    "calibration_bins": CALIBRATION_SCHEMA,
    "thresholds": THRESHOLD_SCHEMA,
}
FAIRNESS_METRICS = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "auc",
    "calibration_bias",
)


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics of a candidate and its contenders on the same test rows, with intervals.

    `estimates` is the table for the lakehouse: one row per kind, contender, contender compared with, slice,
    group and metric. A null value means that the metric is undefined there (a ranking has no Brier score, one
    class has no AUC); a null interval, that too many resamples lacked a class. `degenerate` counts those
    resamples. `is_enough` is false for groups with fewer rows than `minimum_slice_rows`.
    """

    candidate: str
    contenders: tuple[str, ...]
    primary_metric: str
    confidence: float
    bootstrap_samples: int
    rows: int
    positives: int
    minimum_slice_rows: int
    cost_unit: str
    threshold: DecisionThreshold
    estimates: pl.DataFrame
    curves: pl.DataFrame
    """Points of the precision-recall and ROC curves of every contender, at most some hundreds each."""
    calibration_bins: pl.DataFrame
    """Equal-mass bins of every probability: mean prediction against observed rate, with Wilson's interval."""
    thresholds: pl.DataFrame
    """Cost and rates of the candidate over thresholds, on the test rows."""

    @property
    def metrics(self) -> pl.DataFrame:
        """contender, metric, value, low, high, rows, positives: each contender on the rows that it
        predicts.
        """
        return self.of_kind("metric").select(
            "contender", "metric", "value", "low", "high", "rows", "positives", "degenerate"
        )

    @property
    def differences(self) -> pl.DataFrame:
        """contender, metric, value, low, high, rows: how much better the candidate is, on rows that both
        predict.

        Positive means that the candidate is better, also for metrics where lower is better.
        """
        return self.of_kind("difference").select(
            pl.col("against").alias("contender"),
            "metric",
            "value",
            "low",
            "high",
            "rows",
            "positives",
            "degenerate",
        )

    @property
    def slices(self) -> pl.DataFrame:
        """slice, group, rows, positives, metric, value, low, high: the candidate in each group."""
        return self.of_kind("slice").select(
            "slice", "group", "rows", "positives", "metric", "value", "low", "high", "is_enough"
        )

    @property
    def fairness(self) -> pl.DataFrame:
        """attribute, group, rows, positives, is_enough and one column per rate: the candidate at the
        threshold.
        """
        index = ["slice", "group", "rows", "positives", "is_enough"]
        wide = self.of_kind("fairness").pivot(
            "metric", index=index, values="value", aggregate_function="first"
        )
        missing = [pl.lit(None, pl.Float64).alias(c) for c in FAIRNESS_METRICS if c not in wide.columns]
        return wide.with_columns(missing).select(*index, *FAIRNESS_METRICS).rename({"slice": "attribute"})

    def of_kind(self, kind: Kind) -> pl.DataFrame:
        """The estimates of one kind, all columns."""
        return self.estimates.filter(pl.col("kind") == kind)

    def value(self, metric: str, contender: str | None = None) -> float | None:
        """One contender's metric on all test rows that it predicts, by default the candidate's; None when
        undefined.
        """
        found = self.metrics.filter(metric=metric, contender=contender or self.candidate)
        return found["value"].item() if found.height else None

    def to_json(self) -> str:
        """Write everything as one JSON object; `from_json` reads it back unchanged."""
        summary = {k: v for k, v in self.__dict__.items() if k not in {*_FRAMES, "threshold"}}
        frames = {name: getattr(self, name).to_dict(as_series=False) for name in _FRAMES}
        return json.dumps({**summary, "threshold": asdict(self.threshold), **frames}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        read = {name: pl.DataFrame(content[name], schema=schema) for name, schema in _FRAMES.items()}
        threshold = DecisionThreshold(**content["threshold"])
        return cls(**{**content, **read, "threshold": threshold, "contenders": tuple(content["contenders"])})
