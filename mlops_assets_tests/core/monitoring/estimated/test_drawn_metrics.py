"""Metrics of drawn labels against those of any labels."""

import numpy as np
import pytest

from mlops_assets.core.monitoring.estimated.drawn_metrics import DrawnMetrics
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import ESTIMATED_METRICS, SoftMetrics
from mlops_assets.core.product_spec import Cost

COST = Cost(false_positive=2.0, false_negative=7.0)


@pytest.mark.parametrize("digits", [12, 2, 0])
@pytest.mark.parametrize("rows", [1, 7, 400])
def test_they_are_those_of_the_evaluation_with_ties_and_without(rows: int, digits: int) -> None:
    generator = np.random.default_rng(rows)
    scores = np.round(generator.beta(1, 4, rows), digits)
    decisions = (generator.random(rows) < scores).astype(np.float64)
    scored = ScoredRows(scores, decisions, np.zeros((rows, 0)), np.arange(rows), np.full(rows, np.nan))
    labels = generator.random((rows, 30)) < scores[:, np.newaxis]
    labels[:, 0], labels[:, 1] = False, True
    expected = SoftMetrics(scored, cost=COST)(labels.astype(np.float64))
    found = DrawnMetrics(scored, cost=COST)(labels)
    assert list(found) == list(ESTIMATED_METRICS)
    for name in ESTIMATED_METRICS:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=1e-6, err_msg=name)
