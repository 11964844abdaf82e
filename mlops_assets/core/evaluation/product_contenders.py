"""Whom a product's candidate is compared with: a constant, a logistic regression, baselines, variants, the champion."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.training.linear_baseline import constant_baseline, fit_logistic

CANDIDATE = "candidate"
CHAMPION = "champion"


def product_contenders(
    product: Product,
    *,
    training_set: pl.DataFrame,
    test_rows: pl.DataFrame,
    candidate: TrainedModel,
    variants: Mapping[str, TrainedModel],
    champion: TrainedModel | None,
) -> list[Contender]:
    """Score the test rows by everyone that is compared; the candidate comes first.

    training_set: rows with `split`; constant and logistic regression see its train (and validation) rows only, and
    the logistic regression the candidate's features. test_rows: the test rows with the columns of the events, too,
    which the product's baselines read. A baseline whose scores all lie in [0, 1] counts as a probability, else it
    only ranks; null means that it has no prediction for the row.

    variants: further models by name, with features of their own. champion: the released model, None before the first
    release.
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
    if champion is not None:
        contenders.append(Contender(CHAMPION, champion.predict(test_rows)))
    return contenders


def contender_columns(product: Product) -> tuple[str, ...]:
    """Columns of `events` that an evaluation reads besides the training set: groups, slices and baselines' inputs."""
    evaluation = product.spec.evaluation
    wanted = {s.column for s in evaluation.slices} | (
        {evaluation.group_column} if evaluation.group_column else set()
    )
    for expression in product.baselines.values():
        wanted |= expression.columns()
    return tuple(sorted(wanted - set(product.view.feature_names) - {product.spec.id_column}))
