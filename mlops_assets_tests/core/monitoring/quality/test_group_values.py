"""What is measured of each group."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.evaluation.metrics import auc
from mlops_assets.core.monitoring.quality.group_values import BIAS, SELECTION, measure_groups
from mlops_assets_tests.core.monitoring.quality.group_world import EVALUATION, scored_groups


def _mean(rows: pl.DataFrame, column: str) -> float:
    return float(np.mean(rows[column].to_numpy()))


def test_each_group_of_a_sensitive_slice_has_its_own_values() -> None:
    rows = scored_groups(2000, seed=0)
    found = measure_groups(rows, label="y", score="score", evaluation=EVALUATION)
    assert {key[:2] for key in found} == {("sex", "female"), ("sex", "male")}
    women = rows.filter(pl.col("sex") == "female")
    expected = {
        "auc": auc(women["y"].to_numpy(), women["score"].to_numpy()),
        SELECTION: _mean(women, "decision") - _mean(rows, "decision"),
        BIAS: _mean(women, "score") - _mean(women, "y"),
    }
    for metric, value in expected.items():
        one = found["sex", "female", metric]
        assert one.measured is not None
        assert one.measured.value == pytest.approx(value)
        assert one.measured.low < value < one.measured.high
        assert (one.rows, one.positives) == (women.height, women["y"].sum())


def test_what_a_group_cannot_show_has_no_interval_and_nothing_gives_nothing() -> None:
    rows = scored_groups(400, seed=0).with_columns(
        y=pl.when(pl.col("sex") == "female").then(0).otherwise(pl.col("y"))
    )
    found = measure_groups(rows, label="y", score="score", evaluation=EVALUATION)
    assert found["sex", "female", "auc"].measured is None
    assert found["sex", "female", SELECTION].measured is not None
    assert measure_groups(rows.clear(), label="y", score="score", evaluation=EVALUATION) == {}
