"""Why a model predicts what it predicts: summaries of per-row feature contributions (SHAP values).

Input is `TrainedModel.contributions`: one column per feature plus `bias`, in log-odds before calibration, so
that a row's sum is its log-odds (Lundberg et al. 2020, TreeSHAP).
"""

import polars as pl

from mlops_assets.core.errors import EvaluationError

BIAS = "bias"
"""Column of the contributions that belongs to no feature: the model's mean log-odds."""


def contribution_importance(contributions: pl.DataFrame) -> pl.DataFrame:
    """Mean absolute contribution per feature, largest first: feature, contribution (log-odds), share of the
    sum.

    Raises: EvaluationError without rows.
    """
    if contributions.is_empty():
        raise EvaluationError("no contributions to summarise: the frame has no rows; pass some test rows")
    features = [name for name in contributions.columns if name != BIAS]
    means = contributions.select(pl.col(features).abs().mean()).row(0)
    frame = pl.DataFrame(
        {"feature": features, "contribution": means}, schema_overrides={"contribution": pl.Float64}
    )
    total = frame["contribution"].sum()
    share = pl.col("contribution") / total if total > 0 else pl.lit(0.0)
    return frame.with_columns(share.alias("share")).sort("contribution", "feature", descending=[True, False])


def top_contributions(
    contributions: pl.DataFrame, features: pl.DataFrame, *, row: int, count: int = 5
) -> pl.DataFrame:
    """The largest contributions to one row's score: feature, value, contribution (log-odds), largest first.

    `features` are the feature values of the same rows; a null value stays null. Ties keep the model's feature
    order.
    """
    names = [name for name in contributions.columns if name != BIAS]
    frame = pl.DataFrame(
        {
            "feature": names,
            "value": features.select(pl.col(names).cast(pl.Float64)).row(row),
            "contribution": contributions.select(names).row(row),
        },
        schema={"feature": pl.String, "value": pl.Float64, "contribution": pl.Float64},
    )
    return frame.sort(pl.col("contribution").abs(), descending=True, maintain_order=True).head(count)
