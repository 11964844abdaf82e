"""What became of the runs that a sensor or a schedule asked for."""

from datetime import UTC, datetime

import dagster as dg

from mlops_assets.automation.run_tags import TRIGGER

PAST_RUNS = 20
_RUN_KEY = "dagster/run_key"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def unfinished_run(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """Return the id of a run of the job that has not ended; None when all have."""
    runs = instance.get_run_records(filters=dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), limit=1)
    return runs[0].dagster_run.run_id if runs else None


def asked_run(instance: dg.DagsterInstance, job_name: str, *, run_key: str) -> str | None:
    """Return the id of a run of the job that was asked for by this key, whatever became of it; None of none.

    Dagster itself compares the keys of one schedule only between runs of the same tick.
    """
    asked = dg.RunsFilter(job_name=job_name, tags={_RUN_KEY: run_key})
    runs = instance.get_run_records(filters=asked, limit=1)
    return runs[0].dagster_run.run_id if runs else None


def ended_runs(instance: dg.DagsterInstance, job_name: str, *, trigger: str) -> dict[str, datetime]:
    """Return when the newest runs that were asked for by `trigger` ended, however they did, by their run key."""
    asked = dg.RunsFilter(job_name=job_name, tags={TRIGGER: trigger})
    return {
        record.dagster_run.tags[_RUN_KEY]: datetime.fromtimestamp(record.end_time, UTC)
        for record in instance.get_run_records(filters=asked, limit=PAST_RUNS)
        if record.end_time is not None and _RUN_KEY in record.dagster_run.tags
    }
