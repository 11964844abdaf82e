"""Seeded rows whose labels are drawn from their scores, as the estimates' tests need them."""

import numpy as np
from scipy.special import ndtri

from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows


def drawn_rows(
    rows: int,
    *,
    seed: int,
    known: float = 1.0,
    shift: float = 0.0,
    alike: float = 0.0,
    group_rows: int = 1,
    mixed: float = 0.0,
    days: int | None = None,
    moving: float = 0.0,
) -> tuple[ScoredRows, np.ndarray]:
    """Return rows and all their labels.

    known: share of rows, the first ones, whose label the rows carry. shift: of the features' mean. alike: latent
    correlation of the labels of `group_rows` neighbours. mixed: share of rows whose label ignores the score. days: over
    which the rows are spread in their order. moving: standard deviation of the quantiles' level from week to week.
    """
    generator = np.random.default_rng(seed)
    features = generator.normal(shift, 1, (rows, 3))
    scores = 1 / (1 + np.exp(1.5 - 1.3 * features[:, 0]))
    groups = np.arange(rows) // group_rows
    latent = np.sqrt(alike) * generator.normal(size=rows)[groups]
    day = None if days is None else np.arange(rows) * days // max(rows, 1)
    level = 0.0 if day is None else moving * np.random.default_rng([seed, 1]).normal(size=1 + rows)[day // 7]
    noise = np.sqrt(1 - alike) * generator.normal(size=rows)
    labels = (latent + noise < ndtri(scores) + level).astype(np.float64)
    ignores = generator.random(rows) < mixed
    labels[ignores] = generator.random(ignores.sum()) < scores.sum() / max(rows, 1)
    carried = np.where(np.arange(rows) < known * rows, labels, np.nan)
    return ScoredRows(scores, (scores >= 0.3).astype(np.float64), features, groups, carried, day), labels
