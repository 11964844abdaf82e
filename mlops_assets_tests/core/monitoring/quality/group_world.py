"""Seeded scored rows of two groups, for tests of what each group gets."""

import numpy as np
import polars as pl

from mlops_assets.core.product_spec import Evaluation, Slice

EVALUATION = Evaluation(
    primary_metric="auc",
    slices=(Slice(column="sex", is_sensitive=True), Slice(column="ward")),
    bootstrap_samples=200,
    minimum_slice_rows=200,
)


def scored_groups(
    rows: int, *, seed: int, blurred: float = 0.0, flagged: float = 0.0, women: float = 0.5
) -> pl.DataFrame:
    """Return rows whose labels follow the score.

    blurred: share of the women whose label does not. flagged: share of them that is flagged whatever the score. women:
    their share.
    """
    generator = np.random.default_rng(seed)
    scores = generator.beta(2, 3, rows)
    is_woman = generator.random(rows) < women
    labels = generator.random(rows) < scores
    blur = is_woman & (generator.random(rows) < blurred)
    labels = np.where(blur, generator.random(rows) < 0.4, labels)
    decided = (scores >= 0.5) | (is_woman & (generator.random(rows) < flagged))
    return pl.DataFrame(
        {
            "y": labels.astype(np.int8),
            "score": scores,
            "decision": decided.astype(np.int8),
            "sex": np.where(is_woman, "female", "male"),
            "ward": "a",
        }
    )
