"""The service's own Prometheus metrics; they appear on BentoML's /metrics, summed over all workers."""

from collections import Counter as Counts
from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

from mlops_assets.core.serving.prediction_record import PredictionRecord

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds."""


class ServingMetrics:
    """Counts what a worker does. Made once per process, in a worker: prometheus_client keeps one file per process."""

    def __init__(self, product: str) -> None:
        self.requests = Counter("mlops_requests", "Answered requests.", ["product", "endpoint", "status"])
        self.seconds = Histogram(
            "mlops_request_seconds",
            "From a request's head to its answer.",
            ["product", "endpoint"],
            buckets=LATENCY_BUCKETS,
        )
        self.predictions = Counter(
            "mlops_predictions", "Scored events.", ["product", "version", "role", "outcome"]
        )
        one = ["product"]
        self.capture_failures = Counter(
            "mlops_capture_failures", "Scored events that could not be captured.", one
        ).labels(product)
        self.store_errors = Counter(
            "mlops_store_errors", "Requests that the online store could not serve.", one
        ).labels(product)
        self.store_conflicts = Counter(
            "mlops_store_conflicts", "Attempts repeated because another worker changed a state.", one
        ).labels(product)
        self.shadow_dropped = Counter(
            "mlops_shadow_dropped", "Events that the shadow did not score, for want of time.", one
        ).labels(product)
        self.plan_refused = Counter(
            "mlops_release_plan_refused",
            "Release plans that a worker could not load and did not follow.",
            one,
        ).labels(product)
        self.plan_sequence = Gauge(
            "mlops_release_plan_sequence",
            "The release plan that the workers follow, the oldest of them; 0 without a plan.",
            one,
            multiprocess_mode="livemin",
        ).labels(product)
        self._watch_host(product)
        self._product = product
        self._children = lru_cache(maxsize=1000)(self._make_children)
        self._prediction = lru_cache(maxsize=1000)(self._make_prediction)

    def _watch_host(self, product: str) -> None:
        """Make what one host has once: its store's log, and its follower."""
        one = ["product"]
        self.store_log_bytes = Gauge(
            "mlops_store_log_bytes",
            "What counts of the embedded store's log; long where the owner of its checkpoints hangs.",
            one,
            multiprocess_mode="livemax",
        ).labels(product)
        self.follower_age = Gauge(
            "mlops_follower_seconds_since_success",
            "Since the host's follower last saw the standing plan to be the one that is served; 0 without a follower.",
            one,
            multiprocess_mode="livemax",
        ).labels(product)
        self.follower_failing = Gauge(
            "mlops_follower_failing",
            "1 while the host's follower is silent, or says why the standing plan is not served; see /model.",
            one,
            multiprocess_mode="livemax",
        ).labels(product)
        self.follower_stalled = Gauge(
            "mlops_follower_stalled",
            "1 while the host's follower waits long for the registry or for the trial of a model; see /model.",
            one,
            multiprocess_mode="livemax",
        ).labels(product)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer."""
        count, duration = self._children(endpoint, status)
        count.inc()
        duration.observe(seconds)

    def predicted(self, records: Iterable[PredictionRecord]) -> None:
        """Count scored events of the arms that scored them, or failed to."""
        outcomes = Counts((record.version, record.role, record.error is not None) for record in records)
        for (version, role, is_failed), count in outcomes.items():
            self._prediction(version, role, "error" if is_failed else "score").inc(count)

    def _make_children(self, endpoint: str, status: int) -> tuple[Counter, Histogram]:
        return (
            self.requests.labels(self._product, endpoint, status),
            self.seconds.labels(self._product, endpoint),
        )

    def _make_prediction(self, version: int, role: str, outcome: str) -> Counter:
        return self.predictions.labels(self._product, version, role, outcome)
