"""Served predictions beside those of a batch: one table in which every event has one row per version that scored it."""

import polars as pl

from mlops_assets.core.features.view import FEATURE_VIEW


def served_summary(served: pl.DataFrame) -> pl.DataFrame:
    """Count what was served: one row per version and role, sorted by both.

    Columns: `model_version`, `role`, `rows`, `errors`, `median_score`, `latency_ms_p50`, `latency_ms_p99` and `newest`
    (UTC); scores are null where every row is an error.
    """
    milliseconds = pl.col("latency_seconds") * 1000
    return (
        served.group_by("model_version", "role")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("error").count().cast(pl.Int64).alias("errors"),
            pl.col("score").median().alias("median_score"),
            milliseconds.median().alias("latency_ms_p50"),
            milliseconds.quantile(0.99).alias("latency_ms_p99"),
            pl.col("received_at").max().alias("newest"),
        )
        .sort("model_version", "role")
    )


def served_rows(served: pl.DataFrame, *, id_column: str, made_from: pl.DataFrame) -> pl.DataFrame:
    """Return what was served in the columns of `score_batch`, without errors; `arm` is the role that answered.

    An event that a version scored several times, which happens in a cohort when its values change, has the newest of
    its answers. The view is the one that the record names, or else that of the version.

    made_from: by `model_version` its `model_as_of` and `feature_view`; an unknown version has nulls.
    """
    carried = [name for name in ("event_timestamp", "event_date") if name in served.columns]
    newest = (
        served.filter(pl.col("score").is_not_null())
        .sort("received_at", "prediction_id")
        .unique([id_column, "model_version"], keep="last", maintain_order=True)
    )
    own_view = pl.col(FEATURE_VIEW) if FEATURE_VIEW in served.columns else pl.lit(None, pl.String)
    versions = made_from.rename({FEATURE_VIEW: f"{FEATURE_VIEW}_of_version"})
    return newest.join(versions, on="model_version", how="left", maintain_order="left").select(
        "prediction_id",
        id_column,
        *carried,
        pl.coalesce(own_view, f"{FEATURE_VIEW}_of_version").alias(FEATURE_VIEW),
        "score",
        "decision",
        "threshold",
        "model_version",
        "model_as_of",
        pl.col("role").alias("arm"),
    )


def not_served(features: pl.DataFrame, served: pl.DataFrame, *, id_column: str, version: int) -> pl.DataFrame:
    """Return the feature rows whose event the version did not score online, in whatever role."""
    done = served.filter(pl.col("model_version") == version)
    if done.is_empty():
        return features
    return features.join(done.select(id_column), on=id_column, how="anti", maintain_order="left")
