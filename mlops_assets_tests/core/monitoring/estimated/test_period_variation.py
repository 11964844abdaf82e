"""How far a period to come may lie off, told by the periods of a reference."""

from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.core.evaluation.resampled_metrics import Estimate
from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap
from mlops_assets.core.monitoring.estimated.estimate import estimate_quality
from mlops_assets.core.monitoring.estimated.period_variation import (
    BlockEffects,
    PeriodVariation,
    period_variation,
)
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.product_spec import Cost, Evaluation, Monitoring
from mlops_assets_tests.core.monitoring.estimated.scored_windows import drawn_rows

SURE = CalibrationMap(np.array([0.0, 1.0, 1.0]), np.zeros((3, 3)))
NO_CHANCE = Estimate(0.8, np.full(2000, 0.8))


def _learned(rows: ScoredRows, *, window_days: int = 7) -> PeriodVariation | None:
    return period_variation(rows, SURE, correlation=0.0, cost=Cost(), window_days=window_days)


def _deviations(effects: list[float], *, variance: float = 1.0) -> np.ndarray:
    blocks = BlockEffects(np.array(effects), np.full(len(effects), variance))
    return blocks.drawn_deviations(4000, np.random.default_rng(0))


@pytest.mark.parametrize("moving", [0.0, 0.6])
def test_the_weeks_to_come_are_held_though_the_calibration_moves_from_week_to_week(moving: float):
    held: list[bool] = []
    for seed in range(20):
        reference = drawn_rows(2500, seed=1000 + seed, days=35, moving=moving)[0]
        window, labels = drawn_rows(800, seed=seed, known=0.0, days=7, moving=moving)
        truth = SoftMetrics(window, cost=Cost()).of(labels)
        found = estimate_quality(
            reference, window, evaluation=Evaluation(), monitoring=Monitoring(), seed=seed
        )
        judged = [metric for metric in found if metric.metric in ("brier", "calibration_bias", "log_loss")]
        held += [(metric.low or 0) <= truth[metric.metric] <= (metric.high or 0) for metric in judged]
    assert np.mean(held) > 0.85


def test_what_is_drawn_holds_a_further_period_as_often_as_stated_however_few_there_are():
    generator = np.random.default_rng(0)
    for blocks, between in ((3, 2.0), (4, 2.0), (13, 1.0), (13, 0.0)):
        held: list[bool] = []
        for _ in range(400):
            effects = generator.normal(0, np.sqrt(1 + between**2), blocks)
            drawn = BlockEffects(effects, np.ones(blocks)).drawn_deviations(300, generator)
            spread = np.sqrt((1 + drawn**2) * (1 + 1 / blocks)) * generator.normal(size=300)
            low, high = np.quantile(spread, [0.025, 0.975])
            new = generator.normal(0, np.sqrt(1 + between**2)) - effects.mean()
            held.append(bool(low <= new <= high))
        # Binomial: of 400 with a chance of .95 each, 366 or fewer (.915) happen once in 500.
        assert np.mean(held) > 0.915


def test_blocks_that_differ_less_than_by_chance_add_nothing_and_many_add_what_they_differ_by():
    assert np.mean(_deviations([0.1, -0.2, 0.1, 0.0, 0.1, -0.1, 0.0]) == 0) > 0.95
    effects = np.random.default_rng(0).normal(0, 3, 200)
    assert np.median(_deviations(effects.tolist(), variance=0.01)) == pytest.approx(3, rel=0.15)


def test_a_reference_that_does_not_move_hardly_widens():
    learned = _learned(drawn_rows(20_000, seed=0, days=140)[0])
    assert learned is not None
    window = drawn_rows(1000, seed=1, known=0.0, days=7)[0]
    chance = np.random.default_rng(0).normal(0.8, 0.02, 2000)
    widened = learned.widened({"auc": Estimate(0.8, chance)}, window, seed=0)["auc"]
    assert widened.value == 0.8
    assert widened.samples.std() < 1.2 * chance.std()


def test_blocks_are_as_long_as_a_window_or_days_and_fewer_than_three_tell_nothing():
    of_weeks, of_days = (_learned(drawn_rows(1500, seed=0, days=days)[0]) for days in (22, 20))
    assert of_weeks is not None
    assert of_days is not None
    assert (of_weeks.days, len(of_weeks.by_metric["brier"].effects)) == (7, 3)
    assert (of_days.days, len(of_days.by_metric["brier"].effects)) == (1, 20)
    assert _learned(drawn_rows(1500, seed=0, days=2)[0]) is None
    assert _learned(drawn_rows(1500, seed=0)[0]) is None
    assert _learned(drawn_rows(0, seed=0, days=7)[0]) is None


def test_a_block_of_one_class_does_not_count():
    rows = drawn_rows(1500, seed=0, days=28)[0]
    assert rows.days is not None
    learned = _learned(replace(rows, labels=np.where(rows.days < 7, 0.0, rows.labels)))
    assert learned is not None
    assert len(learned.by_metric["auc"].effects) == 3
    assert len(learned.by_metric["brier"].effects) == 4


def test_effects_of_a_windows_days_even_out_and_known_labels_have_none():
    learned = PeriodVariation(1, {"auc": BlockEffects(np.linspace(-1, 1, 60) / 50, np.full(60, 1e-8))})
    spread = {
        (days, known): learned.widened(
            {"auc": NO_CHANCE}, drawn_rows(700, seed=0, known=known, days=days)[0], seed=0
        )["auc"].samples.std()
        for days, known in ((1, 0.0), (7, 0.0), (7, 0.5), (7, 1.0))
    }
    assert spread[7, 0.0] == pytest.approx(spread[1, 0.0] / np.sqrt(7), rel=0.1)
    assert spread[7, 0.5] == pytest.approx(spread[7, 0.0] / 2)
    assert spread[7, 1.0] == pytest.approx(0, abs=1e-12)
