"""A small fitted model and rows for it, made by the platform's own training in a fraction of a second."""

import numpy as np
import polars as pl

from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product_spec import Training
from mlops_assets.core.training.fit import fit

FEATURES = ("amount_usd", "night", "terminal_fraud_share")


def small_rows(count: int = 600, seed: int = 0) -> pl.DataFrame:
    """Feature vectors with some nulls, their label and a split."""
    generator = np.random.default_rng(seed)
    amount = generator.gamma(2.0, 40.0, count)
    share = generator.random(count)
    score = amount / 120 + share + generator.normal(0, 0.3, count)
    return pl.DataFrame(
        {
            "id": np.arange(count),
            "amount_usd": amount,
            "night": generator.integers(0, 2, count),
            "terminal_fraud_share": [None if i % 7 == 0 else value for i, value in enumerate(share)],
            "is_fraud": (score > 1.5).astype(np.int8),
            "split": ["train" if i % 3 else "validation" for i in range(count)],
        }
    )


def small_model(seed: int = 0, rounds: int = 12) -> TrainedModel:
    """A model of three features with a calibrator that changes its probabilities."""
    return fit(
        small_rows(seed=seed),
        feature_names=FEATURES,
        label="is_fraud",
        training=Training(num_boost_round=rounds, calibration="sigmoid", num_threads=1),
        parameters={"num_leaves": 7, "min_data_in_leaf": 5},
    )
