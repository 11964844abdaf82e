"""Outcomes in disjoint blocks."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mlops_assets.core.monitoring.decline.quality_blocks import QualityBlock, quality_blocks
from mlops_assets.core.product_spec import Evaluation, Monitoring

LIMITS = Monitoring(minimum_rows=300, minimum_positives=20)


def _outcomes(days: int, *, rows: int = 200, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    score = generator.beta(1, 3, days * rows)
    first = date(2024, 1, 1)
    return pl.DataFrame(
        {
            "label": (generator.random(days * rows) < score).astype(np.int8),
            "score": score,
            "known_date": [first + timedelta(days=day) for day in range(days) for _ in range(rows)],
            "card": np.arange(days * rows) // 20,
        }
    )


def _blocks(outcomes: pl.DataFrame, **evaluation: object) -> tuple[QualityBlock, ...]:
    declared = Evaluation.model_validate(evaluation)
    return quality_blocks(
        outcomes, label="label", score="score", evaluation=declared, monitoring=LIMITS, seed=0
    )


def test_a_block_ends_with_the_day_that_fills_it_and_the_rest_waits():
    blocks = _blocks(_outcomes(5))
    assert [(b.first_day.day, b.last_day.day) for b in blocks] == [(1, 2), (3, 4)]


def test_a_block_has_the_metric_of_its_own_rows():
    outcomes = _outcomes(2)
    block = _blocks(outcomes)[0]
    assert block.value == pytest.approx(roc_auc_score(outcomes["label"], outcomes["score"]))
    assert block.rarer == outcomes["label"].sum()
    assert 0 < block.variance < 0.01


def test_later_days_change_no_block_before_them():
    assert _blocks(_outcomes(10))[:2] == _blocks(_outcomes(10).head(1000))[:2]


def test_the_order_of_rows_decides_nothing():
    outcomes = _outcomes(4)
    assert _blocks(outcomes.reverse()) == _blocks(outcomes)


def test_a_block_that_was_measured_before_is_not_measured_again():
    measured: dict[str, QualityBlock | None] = {}
    arguments = {
        "label": "label",
        "score": "score",
        "evaluation": Evaluation(),
        "monitoring": LIMITS,
        "seed": 0,
    }
    first = quality_blocks(_outcomes(4), **arguments, measured=measured)
    assert list(measured.values()) == list(first)
    for key, block in measured.items():
        measured[key] = replace(block, value=0.123) if block else None
    again = quality_blocks(_outcomes(4), **arguments, measured=measured)
    assert [block.value for block in again] == [0.123, 0.123]


def test_brier_and_groups_are_taken_as_declared():
    outcomes = _outcomes(2)
    block = _blocks(outcomes, primary_metric="brier", group_column="card")[0]
    assert block.value == pytest.approx(((outcomes["score"] - outcomes["label"]) ** 2).mean())


def test_without_outcomes_or_one_class_there_is_no_block():
    assert _blocks(_outcomes(3).head(0)) == ()
    assert _blocks(_outcomes(3).with_columns(label=pl.lit(0, pl.Int8))) == ()
