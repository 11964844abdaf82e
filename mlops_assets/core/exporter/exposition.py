"""Samples as the text that Prometheus scrapes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mlops_assets.core.exporter.metric import Metric, Sample


@dataclass(frozen=True, eq=False)  # a registry keeps it as a key
class _Samples(Collector):
    metrics: Sequence[Metric]
    samples: Sequence[Sample]

    def collect(self) -> Iterator[Family]:
        by_name: dict[str, list[Sample]] = {metric.name: [] for metric in self.metrics}
        for sample in self.samples:
            by_name[sample.metric.name].append(sample)
        for metric in self.metrics:
            family = _family(metric)
            for sample in by_name[metric.name]:
                family.add_metric(sample.labels, sample.value)
            yield family


def exposition(metrics: Sequence[Metric], samples: Iterable[Sample]) -> bytes:
    """Return the samples in Prometheus' text format, each metric with its meaning, also one without a sample.

    Raises: KeyError for a sample of none of the metrics.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(metrics, tuple(samples)))
    return generate_latest(registry)


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return family(metric.name, metric.meaning, labels=metric.labels)
