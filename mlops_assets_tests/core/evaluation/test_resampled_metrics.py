import numpy as np

from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.resampled_metrics import Population, resample_metrics


def test_a_population_sees_the_weights_of_its_own_rows_on_the_same_resamples():
    numbers = np.arange(1.0, 11.0)
    resamples = Resamples(rows=10, samples=30, seed=0)
    some = np.array([2, 5, 9])
    found = resample_metrics(
        {
            ("first", "all"): Population(np.arange(10), (lambda w: {"sum": numbers @ w},)),
            ("second", "some"): Population(some, (lambda w: {"sum": numbers[some] @ w},)),
        },
        resamples,
    )
    weights = np.concatenate(list(resamples.blocks()), axis=1)
    assert found["first", "all"]["sum"].value == 55
    assert found["first", "all"]["sum"].samples.tolist() == (numbers @ weights).tolist()
    assert found["second", "some"]["sum"].value == 3 + 6 + 10
    assert found["second", "some"]["sum"].samples.tolist() == (numbers[some] @ weights[some]).tolist()
