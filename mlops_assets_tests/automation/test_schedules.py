"""Which day a tick is for, and that the requested runs can be made."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import dagster as dg
import pytest

from mlops_assets.automation.schedules import (
    daily_schedule,
    partition_to_process,
    retrain_schedule,
    retraining_as_of,
)
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.times import Period
from mlops_assets_tests.support.product_specs import COHORT, FRAUD

PARTITIONS = dg.DailyPartitionsDefinition(start_date="2018-08-01", end_date="2018-10-01")


@dg.asset(key=["fraud_detection", "events"], partitions_def=PARTITIONS)
def events() -> None: ...


@dg.asset(key=["fraud_detection", "model"])
def model() -> None: ...


DAILY = dg.define_asset_job("fraud_detection__ingest", selection=[events.key])
RETRAIN = dg.define_asset_job("fraud_detection__retrain", selection=[model.key])
DAILY_SCHEDULE = daily_schedule(FRAUD, DAILY.name)
RETRAIN_SCHEDULE = retrain_schedule(FRAUD, RETRAIN.name)
DEFINITIONS = dg.Definitions(
    assets=[events, model], jobs=[DAILY, RETRAIN], schedules=[DAILY_SCHEDULE, RETRAIN_SCHEDULE]
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def _tick(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, at: datetime
) -> tuple[dg.RunRequest | None, str | None]:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=DEFINITIONS.get_repository_def()
    )
    data = schedule.evaluate_tick(context)
    return (data.run_requests[0] if data.run_requests else None), data.skip_message


@pytest.mark.parametrize(
    ("scheduled_at", "day"),
    [
        (datetime(2018, 8, 2, 6, tzinfo=UTC), date(2018, 8, 1)),
        (datetime(2018, 10, 1, 6, tzinfo=UTC), date(2018, 9, 30)),
        (datetime(2018, 8, 3, 1, tzinfo=timezone(timedelta(hours=2))), date(2018, 8, 1)),
    ],
)
def test_a_tick_is_for_the_utc_day_that_is_over(scheduled_at: datetime, day: date):
    assert FRAUD.time is not None
    assert partition_to_process(FRAUD.time, scheduled_at=scheduled_at).key == day.isoformat()


@pytest.mark.parametrize(
    ("period", "scheduled_at", "key"),
    [
        ("week", datetime(2018, 8, 13, 6, tzinfo=UTC), "2018-08-06"),
        ("week", datetime(2018, 8, 19, 6, tzinfo=UTC), "2018-08-06"),
        ("week", datetime(2018, 8, 6, 6, tzinfo=UTC), "2018-07-30"),
        ("week", datetime(2018, 10, 2, 6, tzinfo=UTC), "2018-09-24"),
        ("month", datetime(2018, 9, 1, 6, tzinfo=UTC), "2018-08-01"),
        ("month", datetime(2018, 9, 30, 6, tzinfo=UTC), "2018-08-01"),
        ("month", datetime(2018, 8, 31, 6, tzinfo=UTC), None),
    ],
)
def test_a_tick_is_for_the_week_or_month_that_is_over(
    period: Period, scheduled_at: datetime, key: str | None
):
    assert FRAUD.time is not None
    time = FRAUD.time.model_copy(update={"partitions": period})
    assert partition_to_process(time, scheduled_at=scheduled_at).key == key


@pytest.mark.parametrize(
    ("scheduled_at", "reason"),
    [
        (datetime(2018, 8, 1, 6, tzinfo=UTC), "2018-07-31 lies before the first day of the data, 2018-08-01"),
        (datetime(2018, 10, 2, 6, tzinfo=UTC), "no partition of 2018-10-01: the data ends before 2018-10-01"),
    ],
)
def test_a_day_without_data_is_skipped_with_a_reason(
    instance: dg.DagsterInstance, scheduled_at: datetime, reason: str
):
    request, skip = _tick(DAILY_SCHEDULE, instance, scheduled_at)
    assert request is None
    assert reason in str(skip)


def test_the_requested_partition_exists_and_its_job_runs(instance: dg.DagsterInstance):
    request, _ = _tick(DAILY_SCHEDULE, instance, datetime(2018, 8, 8, 6, tzinfo=UTC))
    assert request is not None
    assert (request.run_key, request.partition_key) == ("2018-08-07", "2018-08-07")
    job = DEFINITIONS.resolve_job_def("fraud_detection__ingest")
    assert job.execute_in_process(instance=instance, partition_key=request.partition_key).success
    assert instance.get_materialized_partitions(events.key) == {"2018-08-07"}


@pytest.mark.parametrize(("period", "first"), [("week", 13), ("month", 1)])
def test_a_week_or_month_is_asked_for_once_though_a_day_was_before(
    instance: dg.DagsterInstance, period: Period, first: int
):
    assert FRAUD.time is not None
    time = FRAUD.time.model_copy(update={"partitions": period})
    schedule = daily_schedule(FRAUD.model_copy(update={"time": time}), DAILY.name)
    month = 8 if period == "week" else 9
    ticks = [datetime(2018, month, first + later, 6, tzinfo=UTC) for later in range(7)]
    by_day = partition_to_process(time, scheduled_at=ticks[0]).key
    _run_of(instance, dg.RunRequest(run_key=by_day, partition_key=by_day))
    asked = []
    for at in ticks[1:]:  # the first tick was missed
        request, skip = _tick(schedule, instance, at)
        if request is None:
            assert "was asked for" in str(skip)
        else:
            asked.append(request.partition_key)
            _run_of(instance, request)
    assert asked == [by_day]


def _run_of(instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    """Note a run as Dagster's scheduler does, with the key that it was asked for by."""
    job = DEFINITIONS.resolve_job_def("fraud_detection__ingest")
    instance.create_run_for_job(job, tags={**request.tags, "dagster/run_key": str(request.run_key)})


def test_schedules_are_off_and_in_utc():
    for schedule, name, cron in (
        (DAILY_SCHEDULE, "fraud_detection__daily", "0 6 * * *"),
        (RETRAIN_SCHEDULE, "fraud_detection__retrain_weekly", "0 7 * * 1"),
    ):
        assert (schedule.name, schedule.cron_schedule, schedule.execution_timezone) == (name, cron, "UTC")
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


@pytest.mark.parametrize(
    ("scheduled_at", "as_of"),
    [
        (datetime(2018, 9, 3, 7, tzinfo=UTC), date(2018, 9, 3)),
        (datetime(2018, 10, 8, 7, tzinfo=UTC), date(2018, 10, 8)),
        (datetime(2024, 1, 1, 7, tzinfo=UTC), date(2018, 10, 8)),
    ],
)
def test_a_retraining_never_stands_later_than_the_last_known_label(scheduled_at: datetime, as_of: date):
    assert retraining_as_of(FRAUD, scheduled_at=scheduled_at) == as_of


def test_ended_data_is_retrained_once_and_then_skipped(instance: dg.DagsterInstance):
    request, _ = _tick(RETRAIN_SCHEDULE, instance, datetime(2024, 1, 1, 7, tzinfo=UTC))
    assert request is not None
    assert request.tags["mlops/as_of"] == "2018-10-08"
    job = DEFINITIONS.resolve_job_def("fraud_detection__retrain")
    assert job.execute_in_process(instance=instance, tags=request.tags).success
    request, skip = _tick(RETRAIN_SCHEDULE, instance, datetime(2024, 1, 8, 7, tzinfo=UTC))
    assert request is None
    assert "already retrained as of 2018-10-08" in str(skip)


def test_the_as_of_day_can_be_turned_into_run_configuration(instance: dg.DagsterInstance):
    schedule = retrain_schedule(FRAUD, RETRAIN.name, run_config=lambda as_of: {"as_of": as_of.isoformat()})
    request, _ = _tick(schedule, instance, datetime(2018, 9, 3, 7, tzinfo=UTC))
    assert request is not None
    assert request.run_config == {"as_of": "2018-09-03"}


def test_a_cohort_has_a_retraining_schedule_only(instance: dg.DagsterInstance):
    with pytest.raises(ConfigurationError, match="mortality_risk: a daily schedule needs a time axis"):
        daily_schedule(COHORT, "mortality_risk__ingest")
    request, _ = _tick(retrain_schedule(COHORT, RETRAIN.name), instance, datetime(2024, 1, 8, 7, tzinfo=UTC))
    assert request is not None
    assert request.tags["mlops/product"] == "mortality_risk"
