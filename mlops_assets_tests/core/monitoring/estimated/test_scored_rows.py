"""Scored rows from a frame."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows, scored_rows

FRAME = pl.DataFrame(
    {
        "score": [0.1, 0.9, 0.4],
        "decision": [False, True, False],
        "amount": [1, None, 3],
        "card": ["b", "a", "b"],
        "is_fraud": [0, 1, None],
    }
)


def _rows(frame: pl.DataFrame, *, group: str | None = "card") -> ScoredRows:
    return scored_rows(frame, label="is_fraud", score="score", feature_names=["amount"], group=group)


def test_nulls_are_missing_values_and_labels_that_are_not_known():
    rows = _rows(FRAME)
    assert rows.is_known.tolist() == [True, True, False]
    assert np.isnan(rows.features[1, 0])
    assert rows.decisions.tolist() == [0.0, 1.0, 0.0]


def test_days_are_numbered_by_their_dates_and_chosen_with_their_rows():
    dated = FRAME.with_columns(day=pl.Series([date(2020, 1, 31), date(2020, 2, 2), date(2020, 2, 1)]))
    rows = scored_rows(dated, label="is_fraud", score="score", feature_names=[], group=None, day="day")
    chosen = rows.where(np.array([True, True, False]))
    assert rows.days is not None
    assert chosen.days is not None
    assert (rows.days - rows.days.min()).tolist() == [0, 2, 1]
    assert np.diff(chosen.days).tolist() == [2]
    assert _rows(FRAME).days is None
    with pytest.raises(MonitoringError, match="1 of 3 rows have a null day"):
        scored_rows(
            dated.with_columns(pl.col("day").replace(date(2020, 2, 1), None)),
            label="is_fraud", score="score", feature_names=[], group=None, day="day",
        )  # fmt: skip


def test_rows_of_one_group_share_a_code_and_stand_alone_without_a_group():
    assert _rows(FRAME).groups.tolist() == [1, 0, 1]
    assert _rows(FRAME, group=None).groups.tolist() == [0, 1, 2]


def test_chosen_rows_number_their_groups_anew():
    assert _rows(FRAME).where(np.array([True, False, True])).groups.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.drop("decision"), "have no column decision"),
        (FRAME.with_columns(score=pl.lit(None, pl.Float64)), "3 of 3 rows have a null score"),
        (FRAME.with_columns(is_fraud=pl.lit(2)), "3 labels are not 0 or 1, for example 2"),
    ],
)
def test_rows_that_cannot_be_used_are_named(frame: pl.DataFrame, message: str):
    with pytest.raises(MonitoringError, match=message):
        _rows(frame)
