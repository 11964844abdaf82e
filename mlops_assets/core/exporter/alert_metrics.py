"""Numbers of the home's alerts: what is open, what was not delivered, and whether anybody looks."""

from collections import Counter
from collections.abc import Iterator

from mlops_assets.core.alerts.message import SEVERITIES
from mlops_assets.core.alerts.outbox import Outbox
from mlops_assets.core.alerts.standing import AlertStanding
from mlops_assets.core.exporter.metric import Metric, Sample

_BY_SINK = "one per declared sink"
OPEN = Metric(
    name="mlops_alerts_open",
    meaning="Alerts of the platform's own rules that are open.",
    labels=("severity",),
    bound="3 severities",
)
WAITING = Metric(
    name="mlops_alert_messages_waiting",
    meaning="Messages that a sink has not taken yet.",
    labels=("sink",),
    bound=_BY_SINK,
)
OLDEST = Metric(
    name="mlops_alert_oldest_waiting_timestamp_seconds",
    meaning="When the oldest message that a sink has not taken was made.",
    labels=("sink",),
    bound=_BY_SINK,
)
FAILURES = Metric(
    name="mlops_alert_sink_failures",
    meaning="Attempts in a row that a sink did not take; 0 when it works again.",
    labels=("sink",),
    bound=_BY_SINK,
)
DROPPED = Metric(
    name="mlops_alert_messages_dropped_total",
    meaning="Messages that were given up for a sink because too many waited.",
    labels=("sink",),
    bound=_BY_SINK,
    kind="counter",
)
LOOKED = Metric(
    name="mlops_alerts_looked_timestamp_seconds",
    meaning="When the sensor of alerts last looked at everything; none where it never did.",
    labels=(),
    bound="1",
)
METRICS = (OPEN, WAITING, OLDEST, FAILURES, DROPPED, LOOKED)


def alert_samples(outbox: Outbox) -> Iterator[Sample]:
    """Yield the numbers of a home's outbox; none but zeros where there is none, which is not made.

    Raises: AlertError when it cannot be read.
    """
    standing = AlertStanding.read(outbox)
    counts = Counter(one.told.severity for one in standing.open_alerts)
    for severity in SEVERITIES:
        yield OPEN.of(counts[severity], severity)
    waiting = Counter(one.sink for one in standing.waiting)
    for sink in sorted({*waiting, *standing.health}):
        yield WAITING.of(waiting[sink], sink)
    for sink in waiting:
        oldest = min(one.message.at for one in standing.waiting if one.sink == sink)
        yield OLDEST.of(oldest.timestamp(), sink)
    for sink, health in standing.health.items():
        yield FAILURES.of(health.failed, sink)
        yield DROPPED.of(health.dropped, sink)
    if standing.looked_at is not None:
        yield LOOKED.of(standing.looked_at.timestamp())
