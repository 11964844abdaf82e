"""Scores many feature vectors by one version: the batch form of what serving does for one."""

from datetime import datetime

import polars as pl

from mlops_assets.core.features.view import FEATURE_VIEW
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.times import UTC_TIME

BATCH_ARM = "batch"


def score_batch(
    features: pl.DataFrame,
    model: TrainedModel,
    *,
    id_column: str,
    model_version: int,
    threshold: float,
    model_as_of: datetime | None,
) -> pl.DataFrame:
    """Score each row once; one row per feature vector, in the given order.

    Columns: `prediction_id` (version and event id, so that scoring again gives the same), the id, `event_timestamp`,
    `event_date` and `feature_view` where the features have them, `score` (calibrated probability), `decision` (Int8),
    `threshold`, `model_version`, `model_as_of` (null for a cohort) and `arm`.

    id_column: the event's id. threshold: scores from there on are decided as 1.

    Raises: FeatureError when a feature of the model is missing.
    """
    carried = [name for name in ("event_timestamp", "event_date", FEATURE_VIEW) if name in features.columns]
    scored = features.select(
        pl.format("v{}-{}", pl.lit(model_version), id_column).alias("prediction_id"), id_column, *carried
    ).with_columns(score=pl.Series(model.predict(features), dtype=pl.Float64))
    return scored.with_columns(
        decision=(pl.col("score") >= threshold).cast(pl.Int8),
        threshold=pl.lit(threshold, pl.Float64),
        model_version=pl.lit(model_version, pl.Int64),
        model_as_of=pl.lit(model_as_of, UTC_TIME),
        arm=pl.lit(BATCH_ARM),
    )
