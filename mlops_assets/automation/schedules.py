"""The daily and the weekly schedule of a product: pure decisions, and the schedules around them.

Schedules are created switched off, and their time zone is UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mlops_assets.automation.asked_runs import asked_run
from mlops_assets.automation.run_tags import AS_OF, PRODUCT, TRIGGER
from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.times import first_day_of


@dataclass(frozen=True)
class PartitionToProcess:
    """The partition that a daily tick is for, or why there is none."""

    key: str | None
    reason: str


def partition_to_process(time: TimeAxis, *, scheduled_at: datetime) -> PartitionToProcess:
    """Return the last partition that was over at `scheduled_at`, when the product has data of it.

    Of weeks and months that is the same one every day until the next is over.
    """
    today = scheduled_at.astimezone(UTC).date()
    day = first_day_of(today, time.partitions) - timedelta(days=1)
    if day < time.start_date:
        return PartitionToProcess(None, f"{day} lies before the first day of the data, {time.start_date}")
    if time.end_date is not None and first_day_of(day, time.partitions) >= time.end_date:
        return PartitionToProcess(
            None, f"there is no partition of {day}: the data ends before {time.end_date}"
        )
    return PartitionToProcess(time.partition_key(day), f"{day} is over")


def retraining_as_of(spec: ProductSpec, *, scheduled_at: datetime) -> date:
    """Return the UTC day at whose midnight a retraining stands.

    That is the tick's day, but for data that has ended not later than when its last label was known: a later
    day would only move the training window out of the data.
    """
    today = scheduled_at.astimezone(UTC).date()
    if spec.time is None or spec.time.end_date is None:
        return today
    return min(today, spec.time.end_date + spec.label_delay)


def daily_schedule(spec: ProductSpec, job_name: str) -> dg.ScheduleDefinition:
    """Make the schedule `<product>__daily`: the day, week or month that is over, by a job of such partitions.

    A week or month is asked for once, by the first tick after it that happens, whatever becomes of the run.

    Raises: ConfigurationError for a product without a time axis, or without `schedules.daily`.
    """
    time, cron = spec.time, spec.schedules.daily
    if time is None or cron is None:
        raise ConfigurationError(f"{spec.name}: a daily schedule needs a time axis and schedules.daily")

    @dg.schedule(
        name=f"{spec.name}__daily",
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Ingests, scores and monitors the UTC {time.partitions} that is over.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        found = partition_to_process(time, scheduled_at=context.scheduled_execution_time)
        if found.key is None:
            return dg.SkipReason(found.reason)
        # A Monday may have been asked for as a day, before the product went over to weeks.
        key = found.key if time.partitions == "day" else f"{time.partitions} {found.key}"
        if time.partitions != "day" and (run := asked_run(context.instance, job_name, run_key=key)):
            return dg.SkipReason(f"run {run} was asked for the {key}, the last one that is over")
        return dg.RunRequest(
            run_key=key,
            partition_key=found.key,
            tags={PRODUCT: spec.name, TRIGGER: "schedule"},
        )

    return daily


def retrain_schedule(
    spec: ProductSpec,
    job_name: str,
    *,
    run_config: Callable[[date], Mapping[str, object]] | None = None,
) -> dg.ScheduleDefinition:
    """Make the schedule `<product>__retrain_weekly`, which retrains with what is known at the tick's day.

    A product with a time axis is not retrained twice as of the same day: when its data has ended, one success
    is enough. `run_config` makes the run's configuration from the as-of day, which is also the tag
    `mlops/as_of`.

    Raises: ConfigurationError for a product without `schedules.retrain`.
    """
    cron = spec.schedules.retrain
    if cron is None:
        raise ConfigurationError(f"{spec.name}: a retraining schedule needs schedules.retrain")

    @dg.schedule(
        name=f"{spec.name}__retrain_weekly",
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Retrains on what is known by then; the candidate passes the same gates as any other.",
    )
    def retrain_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        as_of = retraining_as_of(spec, scheduled_at=context.scheduled_execution_time)
        tags = {PRODUCT: spec.name, TRIGGER: "schedule", AS_OF: as_of.isoformat()}
        done = _succeeded(context.instance, tags) if spec.time is not None else None
        if done is not None:
            return dg.SkipReason(f"run {done} already retrained as of {as_of}; nothing became known since")
        return dg.RunRequest(
            run_key=context.scheduled_execution_time.astimezone(UTC).isoformat(),
            run_config=run_config(as_of) if run_config else None,
            tags=tags,
        )

    return retrain_weekly


def _succeeded(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> str | None:
    wanted = dg.RunsFilter(tags=dict(tags), statuses=[dg.DagsterRunStatus.SUCCESS])
    runs = instance.get_run_records(filters=wanted, limit=1)
    return runs[0].dagster_run.run_id if runs else None
