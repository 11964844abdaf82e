"""What estimates take from the champion's labelled rows, whatever the window: computed once, asked for every window."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap, fit_map
from mlops_assets.core.monitoring.estimated.label_draws import within_group_correlation
from mlops_assets.core.monitoring.estimated.period_variation import PeriodVariation, period_variation
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.monitoring.estimated.trust import allowed_losses
from mlops_assets.core.product_spec import Evaluation, Monitoring


@dataclass(frozen=True)
class LearnedReference:
    """The champion's test rows, all labelled, and what they say by themselves."""

    rows: ScoredRows
    evaluation: Evaluation
    monitoring: Monitoring
    everything: ScoredRows | None = None
    """All of them, where `rows` is a sample: the champion's values are measured on all."""

    def map(self, weights: Floats) -> CalibrationMap:
        """Calibrate the score anew on the rows, each counted by its weight."""
        rows = self.rows
        return fit_map(rows.scores, rows.labels, weights=weights, groups=rows.groups)

    @cached_property
    def truth(self) -> Mapping[str, float]:
        """The champion's metrics on all rows."""
        return self._measure.of(self._all.labels)

    @cached_property
    def said(self) -> Mapping[str, float]:
        """The same with the labels that the scores lead one to expect."""
        return self._measure.of(self._plain.probability(self._all.scores))

    @cached_property
    def correlation(self) -> float:
        """How alike the labels of a group are, given their scores."""
        expected = self._plain.probability(self.rows.scores)
        return within_group_correlation(expected, self.rows.labels, self.rows.groups)

    @cached_property
    def variation(self) -> PeriodVariation | None:
        """How much the map moves from period to period; None where the rows do not tell."""
        return period_variation(
            self.rows,
            self._plain,
            correlation=self.correlation,
            cost=self.evaluation.cost,
            window_days=self.monitoring.window_days,
        )

    @cached_property
    def allowed(self) -> Mapping[str, float]:
        """By how much each metric may get worse."""
        return allowed_losses(
            self.truth,
            base_rate=float(self._all.labels.mean()),
            evaluation=self.evaluation,
            monitoring=self.monitoring,
        )

    @property
    def _all(self) -> ScoredRows:
        return self.rows if self.everything is None else self.everything

    @cached_property
    def _measure(self) -> SoftMetrics:
        return SoftMetrics(self._all, cost=self.evaluation.cost)

    @cached_property
    def _plain(self) -> CalibrationMap:
        return self.map(np.ones(len(self.rows)))
