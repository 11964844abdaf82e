"""A small evaluation for tests: real metrics of simulated scores."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.decision_threshold import choose_threshold
from mlops_assets.core.evaluation.evaluate import evaluate
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.product_spec import Cost, Evaluation, Gate, Slice

EVALUATION = Evaluation(
    bootstrap_samples=200,
    cost=Cost(false_positive=1, false_negative=4, unit="EUR"),
    slices=(Slice(column="sex", is_sensitive=True), Slice(column="age_years", breaks=(40, 60))),
    minimum_slice_rows=100,
)


def simulated_rows(rows: int = 1500, *, seed: int = 0) -> pl.DataFrame:
    """Rows whose outcome follows `probability`; a rare third group of `sex`, and three rows per
    `household`."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-1, 1.5, rows)
    probability = 1 / (1 + np.exp(-logit))
    return pl.DataFrame(
        {
            "died": (generator.random(rows) < probability).astype(np.int8),
            "probability": probability,
            "noisy": 1 / (1 + np.exp(-(logit + generator.normal(0, 1.5, rows)))),
            "sex": generator.choice(["female", "male", "other"], rows, p=[0.5, 0.48, 0.02]),
            "age_years": generator.uniform(20, 90, rows),
            "household": np.arange(rows) // 3,
        }
    )


def simulated_contenders(rows: pl.DataFrame, *, seed: int = 1) -> list[Contender]:
    """The true probability as candidate, a noisy one, one that is missing in a third of the rows, a ranking,
    a constant."""
    generator = np.random.default_rng(seed)
    noisy = rows["noisy"].to_numpy()
    return [
        Contender("candidate", rows["probability"].to_numpy()),
        Contender("constant", np.full(rows.height, rows["died"].mean())),
        Contender("noisy", noisy),
        Contender("physicians", np.where(generator.random(rows.height) < 0.3, np.nan, noisy)),
        Contender("ranking", 100 * noisy, is_probability=False),
    ]


def evaluated(
    rows: pl.DataFrame | None = None,
    contenders: Sequence[Contender] | None = None,
    *,
    evaluation: Evaluation = EVALUATION,
    gates: Sequence[Gate] = (),
) -> EvaluationResult:
    """Evaluate on the simulated rows, with a threshold chosen on rows of another seed."""
    rows = simulated_rows() if rows is None else rows
    validation = simulated_rows(seed=99)
    threshold = choose_threshold(
        validation["died"].cast(pl.Int8).to_numpy(),
        validation["probability"].to_numpy(),
        cost=evaluation.cost,
    )
    return evaluate(
        rows,
        label="died",
        contenders=simulated_contenders(rows) if contenders is None else contenders,
        evaluation=evaluation,
        threshold=threshold,
        gates=gates,
    )
