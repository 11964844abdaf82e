"""How far a period's metrics lie off what its scores lead one to expect, beyond the chance of its labels.

The relation of score and label moves a little all the time. Blocks of the reference as long as a window tell by how
much: a random effect of the period, by metric, that a window to come has too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.evaluation.resampled_metrics import Estimate
from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.simulation import simulate
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.product_spec import Cost

LEAST_PERIODS = 3
"""With fewer, random effects have no prediction interval (Higgins, Thompson & Spiegelhalter 2009, JRSS A 172, §4.2)."""
_RATIOS = np.concatenate([[0.0], np.logspace(-4, 6, 400)])
"""Candidates for the variance between blocks by the mean variance within them."""

_STREAM = 1
"""Beside the stream that labels and maps are drawn from with the same seed: what is added must not follow them."""
_DRAWS = 100
"""Of a block's labels: they tell a variance with a standard error of 14 %."""
_SEED = 0
"""Of the draws that tell what chance does in a block; they are of the reference alone, whatever the window."""


@dataclass(frozen=True)
class BlockEffects:
    """By how much a metric of each block lies off its expectation."""

    effects: Floats
    variances: Floats
    """Of the effects, by the chance of the labels alone."""

    def drawn_deviations(self, samples: int, generator: np.random.Generator) -> Floats:
        """Draw the standard deviation between blocks from its confidence distribution.

        Cochran's Q at the true variance is chi-squared with as many degrees of freedom as there are blocks but one. It
        is drawn, and the variance at which the blocks have that Q is taken, 0 where none has (Viechtbauer 2007,
        Statistics in Medicine 26, 37; for prediction: Nagashima, Noma & Furukawa 2019, SMMR 28, 1689). Blocks that
        differ less than by chance leave next to nothing, few blocks leave much.
        """
        candidates = _RATIOS * self.variances.mean()
        weights = 1 / (self.variances[:, np.newaxis] + candidates)
        centre = (weights * self.effects[:, np.newaxis]).sum(axis=0) / weights.sum(axis=0)
        heterogeneity = (weights * (self.effects[:, np.newaxis] - centre) ** 2).sum(axis=0)
        asked = generator.chisquare(len(self.effects) - 1, samples)
        return np.sqrt(np.interp(asked, heterogeneity[::-1], candidates[::-1]))


@dataclass(frozen=True)
class PeriodVariation:
    """What the blocks of a reference say of a further period."""

    days: int
    """Length of a block."""
    by_metric: Mapping[str, BlockEffects]
    """Without the metrics that too few blocks have."""

    def widened(
        self, metrics: Mapping[str, Estimate], window: ScoredRows, *, seed: int
    ) -> dict[str, Estimate]:
        """Add a drawn effect of the window to its drawn metrics; values stay.

        The effects of the window's periods are independent of each other and of the reference's, whose mean effect the
        map holds. Rows whose labels are known have none.
        """
        generator = np.random.default_rng([seed, _STREAM])
        periods, unknown = self._periods(window), float(np.mean(~window.is_known))
        widened = dict(metrics)
        for name in [name for name in metrics if name in self.by_metric]:
            blocks, drawn = self.by_metric[name], metrics[name].samples
            effects = blocks.drawn_deviations(len(drawn), generator) * generator.standard_normal(len(drawn))
            scale = unknown * np.sqrt(1 / periods + 1 / len(blocks.effects))
            widened[name] = Estimate(metrics[name].value, drawn + scale * effects)
        return widened

    def _periods(self, window: ScoredRows) -> int:
        if window.days is None:
            return 1
        return len(np.unique((window.days - window.days.min()) // self.days))


def period_variation(
    rows: ScoredRows, calibration: CalibrationMap, *, correlation: float, cost: Cost, window_days: int
) -> PeriodVariation | None:
    """Learn from labelled rows how periods differ; None where the rows have no days, or too few.

    A block is as long as a window where the rows span enough of them, else a day: a window then has an effect per day.

    calibration: of these rows. correlation: of labels within a group. cost: of wrong decisions. window_days: length of
    a window.
    """
    if rows.days is None or not len(rows):
        return None
    since = rows.days - rows.days.min()
    span = int(since.max()) + 1
    length = window_days if span // window_days >= LEAST_PERIODS else 1
    block_of_row = since * (span // length) // span
    found: dict[str, list[tuple[float, float]]] = {}
    for block in np.unique(block_of_row):
        part = rows.where(block_of_row == block)
        for name, effect in _effects(part, calibration, correlation=correlation, cost=cost).items():
            found.setdefault(name, []).append(effect)
    by_metric = {
        name: BlockEffects(*np.array(effects).T)
        for name, effects in found.items()
        if len(effects) >= LEAST_PERIODS
    }
    return PeriodVariation(length, by_metric) if by_metric else None


def _effects(
    block: ScoredRows, calibration: CalibrationMap, *, correlation: float, cost: Cost
) -> dict[str, tuple[float, float]]:
    """Return each metric less its mean under drawn labels, and their variance; not of metrics that a draw lacks."""
    sure = CalibrationMap(calibration.coefficients, np.zeros_like(calibration.covariance))
    unlabelled = replace(block, labels=np.full(len(block), np.nan))
    drawn = simulate(
        unlabelled, calibration=sure, correlation=correlation, cost=cost, seed=_SEED, draws=_DRAWS
    ).metrics
    truth = SoftMetrics(block, cost=cost).of(block.labels)
    variances = {name: float(np.var(estimate.samples)) for name, estimate in drawn.items()}
    return {
        name: (truth[name] - drawn[name].value, variance)
        for name, variance in variances.items()
        if variance > 0 and not np.isnan(truth[name])
    }
