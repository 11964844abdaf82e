"""Curves behind the numbers: precision-recall and ROC points, calibration bins."""

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.evaluation.metrics import Floats, Labels, equal_mass_bins, threshold_curve
from mlops_assets.core.evaluation.result import CALIBRATION_SCHEMA, CURVE_SCHEMA

_POINTS = 120
"""Points per axis that a curve keeps: more cannot be seen in a plot."""
_NORMAL_97_5 = 1.959963984540054


def curve_points(name: str, labels: Labels, scores: Floats) -> pl.DataFrame:
    """Points of the precision-recall and ROC curves, highest threshold first, thinned evenly along both
    axes.
    """
    curve = threshold_curve(labels, scores)
    kept = np.unique(
        np.concatenate(
            [_evenly(curve.recall), _evenly(curve.false_positive_rate), [0, len(curve.threshold) - 1]]
        )
    )
    return pl.DataFrame(
        {
            "contender": [name] * len(kept),
            "threshold": curve.threshold[kept],
            "precision": curve.precision[kept],
            "recall": curve.recall[kept],
            "false_positive_rate": curve.false_positive_rate[kept],
        },
        schema=CURVE_SCHEMA,
    )


def calibration_bins(name: str, labels: Labels, probabilities: Floats) -> pl.DataFrame:
    """Mean prediction and observed rate of the bins of the calibration error, with Wilson's 95 % interval
    (1927).
    """
    frame = pl.DataFrame({"bin": equal_mass_bins(probabilities), "p": probabilities, "y": labels})
    z = _NORMAL_97_5
    rate, n = pl.col("observed_rate"), pl.col("rows")
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (rate * (1 - rate) / n + z**2 / (4 * n**2)).sqrt()
    return (
        frame.group_by("bin")
        .agg(
            pl.col("p").mean().alias("mean_prediction"),
            pl.col("y").mean().alias("observed_rate"),
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("y").sum().cast(pl.Int64).alias("positives"),
        )
        .sort("bin")
        .with_columns(
            pl.lit(name).alias("contender"),
            (centre - half).clip(0, 1).alias("low"),
            (centre + half).clip(0, 1).alias("high"),
        )
        .select(CALIBRATION_SCHEMA.names())
    )


def _evenly(values: Floats) -> npt.NDArray[np.int64]:
    """Positions in an ascending array whose values are nearest above an even grid from 0 to 1."""
    return np.minimum(np.searchsorted(values, np.linspace(0, 1, _POINTS)), len(values) - 1)
