"""What the platform says of itself in numbers: a metric's name, meaning and labels, and a value of it."""

from dataclasses import dataclass
from typing import Literal

from mlops_assets.core.errors import MonitoringError

MetricKind = Literal["gauge", "counter"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, named as Prometheus asks for: base units, `_seconds`, `_bytes`, and `_total` for what only grows."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ("product",)
    """Names; what bounds the number of their values stands in `bound`."""
    bound: str = "one per product"
    """How many series there can be."""
    kind: MetricKind = "gauge"

    def of(self, value: float, *labels: str) -> "Sample":
        """Return a value of it, with the labels' values in their order.

        Raises: MonitoringError for another number of labels than it has.
        """
        if len(labels) != len(self.labels):
            raise MonitoringError(f"{self.name} has the labels {self.labels}, not {len(labels)}")
        return Sample(self, labels, float(value))


@dataclass(frozen=True)
class Sample:
    """One number of a metric."""

    metric: Metric
    labels: tuple[str, ...]
    value: float
