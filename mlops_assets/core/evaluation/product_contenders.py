"""Whom a product's candidate is compared with: a constant, a logistic regression, baselines, variants, the champion."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.training.linear_baseline import constant_baseline, fit_logistic

CANDIDATE = "candidate"
CHAMPION = "champion"


@dataclass(frozen=True)
class RivalRows:
    """What the champion sees of the test rows, by its own view, and which of them it may be compared on."""

    vectors: pl.DataFrame | None = None
    """Id and its features, of the rows that could be computed; None when the test rows hold them."""
    learned_from: frozenset[object] = frozenset()
    """Ids of the rows that it was fitted, tuned or calibrated on."""
    problem: str | None = None
    """Why it cannot be compared at all."""

    def scores(self, champion: TrainedModel, test_rows: pl.DataFrame, *, id_column: str) -> Floats:
        """Score the test rows, in their order; NaN for those that it learned from or that lack a vector."""
        if self.vectors is None and not self.learned_from:
            return champion.predict(test_rows)
        ids = test_rows[id_column]
        vectors, has_vector = test_rows, np.full(ids.len(), True)
        if self.vectors is not None:
            vectors = ids.to_frame().join(self.vectors, on=id_column, how="left", maintain_order="left")
            has_vector = ids.is_in(self.vectors[id_column].implode()).to_numpy()
        unseen = np.array([value not in self.learned_from for value in ids.to_list()], dtype=bool)
        return np.where(unseen & has_vector, champion.predict(vectors), np.nan)

    def note(self, test_rows: pl.DataFrame, *, id_column: str) -> str | None:
        """Say why the champion is not compared, or on fewer rows; None when it is compared on all."""
        learned = sum(value in self.learned_from for value in test_rows[id_column].to_list())
        if self.problem or not learned:
            return self.problem
        return (
            f"the champion learned from {learned} of the {test_rows.height} test rows, which are left out (its "
            "training rows reach into this test window: an earlier as-of, or another split)"
        )


ALL_ROWS = RivalRows()
"""The test rows hold the champion's features, and it learned from none of them."""


def product_contenders(
    product: Product,
    *,
    training_set: pl.DataFrame,
    test_rows: pl.DataFrame,
    candidate: TrainedModel,
    variants: Mapping[str, TrainedModel],
    champion: TrainedModel | None,
    rival_rows: RivalRows = ALL_ROWS,
) -> list[Contender]:
    """Score the test rows by everyone that is compared; the candidate comes first.

    training_set: rows with `split`; constant and logistic regression see its train (and validation) rows only, and
    the logistic regression the candidate's features. test_rows: the test rows with the columns of the events, too,
    which the product's baselines read. A baseline whose scores all lie in [0, 1] counts as a probability, else it
    only ranks; null means that it has no prediction for the row.

    variants: further models by name, with features of their own. champion: the released model, None before the first
    release. rival_rows: what the champion sees of the test rows; it is left out when it can be compared on none.
    """
    label, seed = product.spec.label.column, product.spec.training.seed
    logistic = fit_logistic(training_set, feature_names=candidate.feature_names, label=label, seed=seed)
    contenders = [
        Contender(CANDIDATE, candidate.predict(test_rows)),
        Contender("constant", np.full(test_rows.height, constant_baseline(training_set, label))),
        Contender("logistic_regression", logistic.predict(test_rows)),
    ]
    for name, expression in product.baselines.items():
        scores = expression.over(test_rows).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = scores[~np.isnan(scores)]
        contenders.append(Contender(name, scores, is_probability=bool(((known >= 0) & (known <= 1)).all())))
    contenders += [Contender(name, model.predict(test_rows)) for name, model in variants.items()]
    if champion is not None and rival_rows.problem is None:
        rival = Contender(CHAMPION, rival_rows.scores(champion, test_rows, id_column=product.spec.id_column))
        contenders += [rival] if len(rival.known_rows) else []
    return contenders


def own_metrics(estimates: pl.DataFrame) -> dict[str, tuple[float, float | None, float | None]]:
    """Return the candidate's metrics on all test rows: value, low and high end of the interval; undefined ones are out.

    estimates: rows of the table `evaluation`.
    """
    own = estimates.filter(
        pl.col("kind") == "metric", pl.col("contender") == CANDIDATE, pl.col("value").is_not_null()
    )
    return {
        metric: (value, low, high)
        for metric, value, low, high in own.select("metric", "value", "low", "high").rows()
    }


def contender_columns(product: Product) -> tuple[str, ...]:
    """Columns of `events` that an evaluation reads besides the training set: groups, slices and baselines' inputs."""
    evaluation = product.spec.evaluation
    wanted = {s.column for s in evaluation.slices} | (
        {evaluation.group_column} if evaluation.group_column else set()
    )
    for expression in product.baselines.values():
        wanted |= expression.columns()
    return tuple(sorted(wanted - set(product.view.feature_names) - {product.spec.id_column}))
