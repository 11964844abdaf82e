"""The service's metrics: what is counted, under which labels."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

from mlops_assets_tests.support.captured import captured_record
from serving.metrics import ServingMetrics


@pytest.fixture
def metrics() -> Iterator[ServingMetrics]:
    """Metrics of a process that has none yet; they leave no trace in this one."""
    before: set[Collector] = set(REGISTRY._collector_to_names)
    yield ServingMetrics("shop")
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def value(name: str, **labels: str) -> float | None:
    assert isinstance(REGISTRY, CollectorRegistry)
    return REGISTRY.get_sample_value(name, {"product": "shop", **labels})


def test_answers_are_counted_and_timed_by_endpoint_and_status(metrics: ServingMetrics) -> None:
    for status, seconds in ((200, 0.003), (200, 0.04), (422, 0.001)):
        metrics.answered("/predict", status, seconds)
    assert value("mlops_requests_total", endpoint="/predict", status="200") == 2
    assert value("mlops_requests_total", endpoint="/predict", status="422") == 1
    assert value("mlops_request_seconds_count", endpoint="/predict") == 3
    assert value("mlops_request_seconds_sum", endpoint="/predict") == pytest.approx(0.044)
    assert value("mlops_request_seconds_bucket", endpoint="/predict", le="0.005") == 2


def test_predictions_are_counted_by_version_role_and_whether_they_failed(metrics: ServingMetrics) -> None:
    records = [captured_record(n) for n in range(3)] + [
        captured_record(9, version=2, role="shadow", error="lost")
    ]
    metrics.predicted(records)
    metrics.predicted(records[:1])
    assert value("mlops_predictions_total", version="1", role="champion", outcome="score") == 4
    assert value("mlops_predictions_total", version="2", role="shadow", outcome="error") == 1
    assert value("mlops_predictions_total", version="2", role="shadow", outcome="score") is None


def test_a_follower_that_fails_shows_and_so_does_its_age(metrics: ServingMetrics) -> None:
    metrics.follower_failing.set(True)
    metrics.follower_age.set(12.5)
    assert value("mlops_follower_failing") == 1
    assert value("mlops_follower_seconds_since_success") == 12.5
