from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pytest

from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.metrics import (
    CalibrationLine,
    DecisionMetrics,
    Groups,
    ProbabilityMetrics,
    RankingMetrics,
)
from mlops_assets.core.evaluation.resampled_metrics import Population, WeightedMetrics, resample_metrics
from mlops_assets.core.product_spec import Cost


@dataclass(frozen=True)
class Sum:
    """Adds up numbers, one of each row."""

    numbers: npt.NDArray[np.float64]

    def __call__(self, weights: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        return {"sum": self.numbers @ weights}

    def of_groups(self, groups: Groups) -> Self:
        return type(self)(groups.summed(self.numbers[np.newaxis])[0])


def test_a_population_sees_the_weights_of_its_own_rows_on_the_same_resamples():
    numbers = np.arange(1.0, 11.0)
    resamples = Resamples(rows=10, samples=30, seed=0)
    some = np.array([2, 5, 9])
    found = resample_metrics(
        {
            ("first", "all"): Population(np.arange(10), (Sum(numbers),)),
            ("second", "some"): Population(some, (Sum(numbers[some]),)),
        },
        resamples,
    )
    weights = np.concatenate(list(resamples.blocks()), axis=1)
    assert found["first", "all"]["sum"].value == 55
    assert found["first", "all"]["sum"].samples.tolist() == (numbers @ weights).tolist()
    assert found["second", "some"]["sum"].value == 3 + 6 + 10
    assert found["second", "some"]["sum"].samples.tolist() == (numbers[some] @ weights[some]).tolist()


def _metrics(labels: npt.NDArray[np.int8], scores: npt.NDArray[np.float64]) -> tuple[WeightedMetrics, ...]:
    cost = Cost(false_positive=1.0, false_negative=10.0, unit="dollars")
    return (
        RankingMetrics(labels, scores),
        ProbabilityMetrics(labels, scores),
        CalibrationLine(labels, scores),
        DecisionMetrics(labels, scores, threshold=0.4, cost=cost),
    )


@pytest.mark.parametrize("part", [slice(None), slice(0, 400), slice(150, None, 3)])
def test_metrics_of_groups_are_those_of_their_rows(part: slice):
    rng = np.random.default_rng(3)
    rows = 600
    groups = np.unique(rng.integers(0, 40, rows), return_inverse=True)[1].astype(np.int64)
    scores = np.round(rng.random(rows), 2)
    labels = (rng.random(rows) < scores / 2).astype(np.int8)
    resamples = Resamples(rows=rows, samples=50, seed=1, groups=groups)
    chosen = np.arange(rows)[part]
    metrics = _metrics(labels[chosen], scores[chosen])
    found = resample_metrics({("one", "rows"): Population(chosen, metrics)}, resamples)["one", "rows"]
    weights = np.concatenate(list(resamples.blocks()), axis=1)[chosen]
    expected = {name: value for metric in metrics for name, value in metric(weights).items()}
    assert set(found) == set(expected)
    for name, estimate in found.items():
        np.testing.assert_allclose(estimate.samples, expected[name], rtol=1e-9, err_msg=name)
