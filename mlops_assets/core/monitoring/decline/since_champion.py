"""The evidence of a decline since a champion's as-of time, for the windows of a run one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.monitoring.decline.evidence import Evidence, decline_evidence
from mlops_assets.core.monitoring.decline.quality_blocks import QualityBlock, quality_blocks
from mlops_assets.core.product_spec import ProductSpec


@dataclass(frozen=True)
class DeclineOfChampion:
    """A champion of a product; a block of its outcomes is measured once for all windows that hold it."""

    spec: ProductSpec
    intervals: Mapping[str, tuple[float, float | None, float | None]]
    """Its test value per metric, with low and high end."""
    _measured: dict[str, QualityBlock | None] = field(default_factory=dict)

    def evidence(self, outcomes: pl.DataFrame) -> Evidence | None:
        """Return what all outcomes since its as-of time say; None without outcomes, test value or time axis."""
        spec, metric = self.spec, self.spec.evaluation.primary_metric
        if outcomes.is_empty() or spec.time is None or metric not in self.intervals:
            return None
        blocks = quality_blocks(
            outcomes, label=spec.label.column, score="score", evaluation=spec.evaluation,
            monitoring=spec.monitoring, seed=spec.training.seed, measured=self._measured,
        )  # fmt: skip
        value, low, high = self.intervals[metric]
        return decline_evidence(
            blocks,
            metric=metric,
            test_value=value,
            worse_end=low if METRICS[metric].direction > 0 else high,
            allowed_drop=spec.monitoring.performance_drop,
            false_alarms_per_quarter=spec.monitoring.false_alarms_per_quarter,
        )
