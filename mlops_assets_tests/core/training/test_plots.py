"""Pictures of boosting, tuning and contributions."""

import io

import numpy as np
import polars as pl
from PIL import Image

from mlops_assets.core.training import plots as training_plots

LARGEST_BYTES = 60_000


def check_picture(png: bytes) -> None:
    """It is a small PNG of the platform's width on which something is drawn."""
    assert len(png) < LARGEST_BYTES
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.width) == ("PNG", 630)
    assert len(picture.convert("RGB").getcolors(maxcolors=100_000) or []) > 20


def test_boosting_and_tuning_are_drawn():
    check_picture(
        training_plots.validation_curve([0.5, 0.4, 0.41], metric="binary_logloss", best_iteration=2)
    )
    check_picture(training_plots.validation_curve([0.5], metric="auc", best_iteration=1))
    trials = pl.DataFrame({"trial": [0, 1, 2], "value": [0.6, None, 0.7]})
    higher = training_plots.tuning_trials(trials, metric="auc", is_higher_better=True)
    check_picture(higher)
    assert higher != training_plots.tuning_trials(trials, metric="auc", is_higher_better=False)
    check_picture(training_plots.tuning_trials(trials.head(1), metric="auc", is_higher_better=True))


def test_contributions_are_drawn():
    generator = np.random.default_rng(0)
    names = [f"feature_{k}" for k in range(25)]
    features = pl.DataFrame({name: generator.normal(size=3000).round(1) for name in names})
    features = features.with_columns(pl.when(pl.col("feature_3") > 0).then("feature_3"))
    contributions = features.fill_null(0.0).with_columns(pl.lit(-2.0).alias("bias"))
    check_picture(training_plots.importance_bars(contributions))
    check_picture(training_plots.contribution_summary(contributions, features))
    nothing = contributions.select(pl.all() * 0.0).head(2)
    check_picture(training_plots.importance_bars(nothing))
    check_picture(training_plots.contribution_summary(nothing, features.head(2)))
