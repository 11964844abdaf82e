"""The sensor that finds days whose rows arrived late or were corrected: a pure decision, and the sensor around it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import dagster as dg
import polars as pl

from mlops_assets.automation.asked_runs import ended_runs, unfinished_run
from mlops_assets.automation.jobs import INGEST
from mlops_assets.automation.run_tags import PRODUCT, TRIGGER, partition_range_tags
from mlops_assets.core.contracts.contract import conform, with_event_date, with_known_date
from mlops_assets.core.contracts.unreadable import noting_unreadable
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.ingestion.changed_days import content_by_day, differing, facts_by_day, look_at_days
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource

MINIMUM_INTERVAL_SECONDS = 3600
COOLDOWN = timedelta(hours=6)
"""How long after a run that ended and left a difference the same difference is asked for again."""
LATE = "late rows"
"""What the runs of this sensor are tagged with, as their trigger."""


@dataclass(frozen=True)
class LateDecision:
    """Whether to ingest days again, which, and why."""

    action: Literal["ingest", "wait"]
    reason: str
    run_key: str | None = None
    days: tuple[date, date] | None = None
    """First and last partition."""


def decide(
    *,
    changed: Mapping[date, str],
    newest: date | None,
    reach: timedelta,
    now: datetime,
    ended: Mapping[str, datetime],
) -> LateDecision:
    """Ingest days whose source differs again, with the later days that their rows reach.

    changed: by differing day what the source says of it. newest: the newest ingested day; None before there is one.
    reach: how far after an event others can depend on it. now: UTC. ended: run key to the time when its run ended,
    however it did. The same difference is asked for once; where a run ended and left it, again after COOLDOWN.
    """
    if newest is None:
        return LateDecision("wait", "no day was ingested yet")
    if not changed:
        return LateDecision("wait", "the source has of the last days what was ingested")
    first, last = min(changed), max(changed)
    days = f"{first}" if len(changed) == 1 else f"{len(changed)} days from {first} to {last}"
    reason = f"the source has other rows of {days} than were ingested"
    key = hashlib.sha256(repr(sorted(changed.items())).encode()).hexdigest()[:16]
    before = [at for known, at in ended.items() if known == key or known.startswith(f"{key}:")]
    if before and now - max(before) < COOLDOWN:
        again = max(before) + COOLDOWN
        return LateDecision(
            "wait", f"{reason}; the run for them left it so, and is asked for again at {again:%H:%M} UTC"
        )
    end = min(newest, last + timedelta(days=-(-reach // timedelta(days=1))))
    run_key = f"{key}:after-{len(before)}-runs" if before else key
    return LateDecision("ingest", reason, run_key, (first, max(end, last)))


def changed_days(
    product: Product, tables: DeltaTables, *, cache: Path, days: tuple[date, date]
) -> dict[date, str]:
    """Return the days, first and last included, of which the source has other events or labels than were ingested.

    Each comes with what the source says of it. A reader's cheap look is asked where there is one; else the days are
    read, and compared row by row.
    """
    first, end = days[0], days[1] + timedelta(days=1)
    events, labels = DayRange(first, end), DayRange(first, end, "known_date")
    reader, context = product.reader, product.context(cache)
    found: dict[date, str] = {}
    for table, range_, look in (
        ("raw_events", events, reader.look_at_events),
        ("labels", labels, reader.look_at_labels),
    ):
        stored = _stored(product, tables, table, range_)
        source, known = (
            _contents(product, cache, stored, range_)
            if look is None
            else _looks(look(context, start=range_.starts_at, end=range_.ends_at), stored, range_)
        )
        for day, facts in differing(source, known).items():
            found[day] = f"{found.get(day, '')}{table}: {facts};"
    return {day: facts for day, facts in sorted(found.items()) if days[0] <= day <= days[1]}


def _stored(product: Product, tables: DeltaTables, table: str, days: DayRange) -> pl.LazyFrame | None:
    return tables.scan(product.name, table, days=days) if tables.exists(product.name, table) else None


def _looks(
    look: pl.DataFrame, stored: pl.LazyFrame | None, days: DayRange
) -> tuple[dict[date, str], dict[date, str]]:
    known = {} if stored is None else facts_by_day(look_at_days(stored, pl.col(days.column)))
    return facts_by_day(look), known


def _contents(
    product: Product, cache: Path, stored: pl.LazyFrame | None, days: DayRange
) -> tuple[dict[date, str], dict[date, str]]:
    times = {"start": days.starts_at, "end": days.ends_at}
    if days.column == "known_date":
        frame = with_known_date(product.read_labels(cache=cache, **times)).unique()
    else:
        read = product.read_events(cache=cache, **times)
        rows = noting_unreadable(conform(read, product.event_schema, subject=f"{product.name}/raw_events"))
        frame = with_event_date(rows, undated=days.first)
    if stored is None:
        return content_by_day(frame, days.column), {}
    known = stored.collect()
    shared = [name for name in known.columns if name in frame.columns]
    frame = frame.select(shared).cast({name: known.schema[name] for name in shared}, strict=False)
    return content_by_day(frame, days.column), content_by_day(known.select(shared), days.column)


def late_rows_automation(product: Product) -> dg.Definitions:
    """Make the sensor `<product>__late_rows`, switched off; a cohort, which is read as a whole, has none."""
    return dg.Definitions(sensors=[_late_rows_sensor(product)] if product.spec.time else [])


def _late_rows_sensor(product: Product) -> dg.SensorDefinition:
    spec, time = product.spec, product.spec.time
    if time is None:
        raise ConfigurationError(f"{spec.name}: a cohort is read as a whole, so that no day of it is late")
    lateness = spec.source.lateness_days
    job = f"{spec.name}__daily"

    @dg.sensor(
        name=f"{spec.name}__late_rows",
        job_name=job,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Looks at the {lateness} days before the newest ingested one again, and ingests those whose rows arrived "
            "late or were corrected, with the later days that they reach."
        ),
    )
    def late_rows(
        context: dg.SensorEvaluationContext, lakehouse: LakehouseResource, platform: PlatformResource
    ) -> dg.RunRequest | dg.SkipReason:
        if lateness == 0:
            return dg.SkipReason("source.lateness_days is 0: nothing arrives late")
        instance = context.instance
        if running := unfinished_run(instance, job):
            return dg.SkipReason(f"run {running} is ingesting")
        now = datetime.now(UTC)
        ingested = time.days_over(_materialized(instance, spec.name, "raw_events"), today=now.date())
        newest = max(ingested, default=None)
        changed: dict[date, str] = {}
        if newest is not None:
            days = (max(min(ingested), newest - timedelta(days=lateness)), newest)
            found = changed_days(product, lakehouse.tables, cache=platform.cache, days=days)
            changed = {day: facts for day, facts in found.items() if day in ingested}
        decision = decide(
            changed=changed,
            newest=newest,
            reach=product.view.lookback + spec.label_delay + timedelta(days=spec.monitoring.window_days),
            now=now,
            ended=ended_runs(instance, job, trigger=LATE),
        )
        if decision.days is None:
            return dg.SkipReason(decision.reason)
        tags = {PRODUCT: spec.name, TRIGGER: LATE, **partition_range_tags(time, *decision.days)}
        # Before a version is released there is nothing to score with.
        has_scores = bool(_materialized(instance, spec.name, "predictions"))
        asked = None if has_scores else [dg.AssetKey([spec.name, noun]) for noun in INGEST]
        return dg.RunRequest(run_key=decision.run_key, asset_selection=asked, tags=tags)

    return late_rows


def _materialized(instance: dg.DagsterInstance, product: str, noun: str) -> set[str]:
    """Return the keys of the partitions that were materialized."""
    return instance.get_materialized_partitions(dg.AssetKey([product, noun]))
