"""The sensor that collects captured predictions: a pure decision, and the sensor around it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import dagster as dg

from mlops_assets.automation.asked_runs import ended_runs, unfinished_run
from mlops_assets.automation.run_tags import PRODUCT, TRIGGER, partition_range_tags
from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.predictions.captured import SERVED_DAYS
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.serving.prediction_record import decode_record
from mlops_assets.resources.online_stores import OnlineStores

MINIMUM_INTERVAL_SECONDS = 300
PEEKED_RECORDS = 10_000
"""How many of the waiting records are looked at for the days of their events."""
LANDINGS = 50
"""How many of the newest landings are compared with `predictions`."""

COOLDOWN = timedelta(minutes=10)
"""How long after a run that ended and left them the same records are asked for again."""
CAPTURED = "captured"
"""What the runs of this sensor are tagged with, as their trigger."""


@dataclass(frozen=True)
class Landing:
    """One materialization of `served_predictions`."""

    storage_id: int
    first: date | None
    """First day of the events that it moved; None when it moved none, or for a cohort."""
    last: date | None
    rows: int


@dataclass(frozen=True)
class CollectDecision:
    """Whether to collect, for which days, and why."""

    action: Literal["collect", "wait"]
    reason: str
    run_key: str | None = None
    days: tuple[date, date] | None = None
    """First and last partition; None for a cohort."""


def decide(
    *,
    time: TimeAxis | None,
    now: datetime,
    waiting: int,
    first_position: str,
    waiting_days: Iterable[date],
    landings: Sequence[Landing],
    predicted: Mapping[date | None, int],
    ended: Mapping[str, datetime],
) -> CollectDecision:
    """Collect when records wait, or when a landing is newer than the predictions of its days.

    waiting, first_position: count of captured records, and the position of the oldest; waiting_days: UTC days of their
    events. landings: oldest first. predicted: storage id of the newest materialization of `predictions` by its day,
    under None for a cohort. ended: run key to the time when its run ended, however it did. The very same records are
    asked for once; where a run ended and left them, again after COOLDOWN under a key of its own.

    time: the product's time axis, None for a cohort. now: UTC.
    """
    days = _Days(time, now.date())
    pending = [
        landing
        for landing in landings
        if landing.rows and any(predicted.get(day, 0) < landing.storage_id for day in days.of(landing))
    ]
    if not waiting and not pending:
        return CollectDecision(
            "wait", "no captured record waits, and predictions holds all that was collected"
        )
    causes = [f"{waiting:,} captured records wait"] if waiting else []
    causes += [f"{len(pending)} landings are not in predictions yet"] if pending else []
    records = f"{first_position}-{waiting}-{pending[-1].storage_id if pending else 0}"
    before = [at for key, at in ended.items() if key == records or key.startswith(f"{records}:")]
    if before and now - max(before) < COOLDOWN:
        again = max(before) + COOLDOWN
        return CollectDecision(
            "wait",
            f"{' and '.join(causes)}; the run for them ended and left them, and is asked for again at "
            f"{again:%H:%M} UTC",
        )
    run_key = f"{records}:after-{len(before)}-runs" if before else records
    asked = [*waiting_days, *(day for landing in pending for day in days.of(landing) if day is not None)]
    return CollectDecision("collect", " and ".join(causes), run_key, days.covering(asked))


@dataclass(frozen=True)
class _Days:
    """The partitions that exist."""

    time: TimeAxis | None
    today: date

    @property
    def end(self) -> date:
        """The day after the last one."""
        declared = self.time.end_date if self.time else None
        return min(self.today + timedelta(days=1), declared or date.max)

    def of(self, landing: Landing) -> list[date | None]:
        """The partitions that a landing has rows for; None for the whole of a cohort."""
        if self.time is None:
            return [None]
        if landing.first is None or landing.last is None:
            return []
        first, end = max(landing.first, self.time.start_date), min(landing.last + timedelta(days=1), self.end)
        return [first + timedelta(days=number) for number in range((end - first).days)]

    def covering(self, days: Iterable[date]) -> tuple[date, date] | None:
        """First and last partition that cover the days; the last one of all when none of them has a partition.

        Records of days without a partition are collected all the same, so that they do not pile up in the store.
        """
        if self.time is None:
            return None
        within = [day for day in days if self.time.start_date <= day < self.end]
        last = self.end - timedelta(days=1)
        return (min(within), max(within)) if within else (last, last)


def collect_served_sensor(spec: ProductSpec, job_name: str) -> dg.SensorDefinition:
    """Make the sensor `<product>__collect_served`, switched off, which runs the job when `decide` says so."""

    @dg.sensor(
        name=f"{spec.name}__collect_served",
        job_name=job_name,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Moves captured predictions from the online store into the lakehouse when some are waiting.",
    )
    def collect_served(
        context: dg.SensorEvaluationContext, online_stores: dg.ResourceParam[OnlineStores]
    ) -> dg.RunRequest | dg.SkipReason:
        if running := unfinished_run(context.instance, job_name):
            return dg.SkipReason(f"run {running} is collecting")
        with online_stores.opened(spec.name) as store:
            waiting = store.captured_count()
            peeked = store.captured(limit=PEEKED_RECORDS) if waiting else []
        records = [decode_record(record.content) for record in peeked]
        decision = decide(
            time=spec.time,
            now=datetime.now(UTC),
            waiting=waiting,
            first_position=peeked[0].position if peeked else "",
            waiting_days={
                datetime.fromtimestamp(record.event_timestamp / 1e6, UTC).date()
                for record in records
                if record.event_timestamp is not None
            },
            landings=_landings(context.instance, spec.name),
            predicted=_predicted(context.instance, spec),
            ended=ended_runs(context.instance, job_name, trigger=CAPTURED),
        )
        if decision.action == "wait":
            return dg.SkipReason(decision.reason)
        context.log.info("collecting: %s", decision.reason)
        tags = {PRODUCT: spec.name, TRIGGER: CAPTURED}
        if decision.days is not None and spec.time is not None:
            tags |= partition_range_tags(spec.time, *decision.days)
        return dg.RunRequest(run_key=decision.run_key, tags=tags)

    return collect_served


def _landings(instance: dg.DagsterInstance, product: str) -> list[Landing]:
    """Read the newest materializations of `served_predictions`, oldest first."""
    key = dg.AssetKey([product, "served_predictions"])
    records = instance.fetch_materializations(key, limit=LANDINGS).records
    return [_landing(record) for record in reversed(records)]


def _landing(record: dg.EventLogRecord) -> Landing:
    materialization = record.asset_materialization
    metadata = {} if materialization is None else materialization.metadata
    rows, days = metadata.get("collected"), metadata.get(SERVED_DAYS)
    first = last = None
    if days is not None and days.value:
        first, last = (date.fromisoformat(day) for day in str(days.value).split("/"))
    return Landing(record.storage_id, first, last, 0 if rows is None else int(str(rows.value)))


def _predicted(instance: dg.DagsterInstance, spec: ProductSpec) -> dict[date | None, int]:
    key = dg.AssetKey([spec.name, "predictions"])
    if spec.time is None:
        records = instance.fetch_materializations(key, limit=1).records
        return {None: records[0].storage_id} if records else {}
    ids = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    return {**spec.time.newest_of_days(ids)}
