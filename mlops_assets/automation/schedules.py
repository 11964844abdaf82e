"""The daily and the weekly schedule of a product: pure decisions, and the schedules around them.

Schedules are created switched off, and their time zone is UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mlops_assets.automation.run_tags import AS_OF, PRODUCT, TRIGGER
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.product_spec import ProductSpec, TimeAxis


@dataclass(frozen=True)
class DayToProcess:
    """The day that a daily tick is for, or why there is none."""

    day: date | None
    reason: str


def day_to_process(time: TimeAxis, *, scheduled_at: datetime) -> DayToProcess:
    """Return the last UTC day that was over at `scheduled_at`, when the product has data of that day."""
    day = scheduled_at.astimezone(UTC).date() - timedelta(days=1)
    if day < time.start_date:
        return DayToProcess(None, f"{day} lies before the first day of the data, {time.start_date}")
    if time.end_date is not None and day >= time.end_date:
        return DayToProcess(None, f"there is no partition of {day}: the data ends before {time.end_date}")
    return DayToProcess(day, f"{day} is over")


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
    """Make the schedule `<product>__daily`: the day that is over, by a job of daily partitions.

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
        description="Ingests, scores and monitors the UTC day that is over.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        found = day_to_process(time, scheduled_at=context.scheduled_execution_time)
        if found.day is None:
            return dg.SkipReason(found.reason)
        return dg.RunRequest(
            run_key=found.day.isoformat(),
            partition_key=found.day.isoformat(),
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
