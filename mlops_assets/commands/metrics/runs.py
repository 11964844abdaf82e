"""Numbers of Dagster's instance: the last runs of each job, what waits and runs, and whether the daemon lives."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import dagster as dg

from mlops_assets.automation.jobs import product_automation
from mlops_assets.catalogue import read_product_spec
from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.dagster_home import dagster_instance

_OF_JOB = ("product", "dagster_job")
_JOBS = "products × at most 15 jobs"
LAST_RUN = Metric(
    name="mlops_job_last_run_timestamp_seconds",
    meaning="When the last run of a job ended, however it did.",
    labels=_OF_JOB,
    bound=_JOBS,
)
LAST_RUN_SUCCESS = Metric(
    name="mlops_job_last_run_success",
    meaning="1 where the last run of a job that ended succeeded, else 0.",
    labels=_OF_JOB,
    bound=_JOBS,
)
LAST_DURATION = Metric(
    name="mlops_job_last_run_duration_seconds",
    meaning="How long the last run of a job took.",
    labels=_OF_JOB,
    bound=_JOBS,
)
LAST_SUCCESS = Metric(
    name="mlops_job_last_success_timestamp_seconds",
    meaning="When the last run of a job that succeeded ended.",
    labels=_OF_JOB,
    bound=_JOBS,
)
UNFINISHED = Metric(
    name="mlops_runs_unfinished",
    meaning="Runs that wait (queued) or run (started).",
    labels=("status",),
    bound="2 statuses",
)
HEARTBEAT = Metric(
    name="mlops_daemon_heartbeat_timestamp_seconds",
    meaning="When a part of Dagster's daemon was last alive: without it no schedule, sensor or alert works.",
    labels=("daemon",),
    bound="Dagster's daemons, some 7",
)
JOB_METRICS = (LAST_RUN, LAST_RUN_SUCCESS, LAST_DURATION, LAST_SUCCESS)
INSTANCE_METRICS = (UNFINISHED, HEARTBEAT)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_UNFINISHED = {
    "queued": [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED],
    "started": [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
}


@dataclass
class DagsterRuns:
    """The instance of a home, opened at the first look; a home without one stays so."""

    settings: Settings
    _instance: dg.DagsterInstance | None = field(default=None, init=False)

    def instance(self) -> dg.DagsterInstance | None:
        """Return the instance; None where nothing was ever run."""
        if self._instance is None:
            home = Path(os.environ.get("DAGSTER_HOME") or self.settings.home / "dagster")
            if (home / "dagster.yaml").is_file():
                self._instance = dagster_instance(self.settings)
        return self._instance

    def of_product(self, product: str) -> Iterator[Sample]:
        """Yield the numbers of a product's jobs; none of a job that never ran."""
        if (instance := self.instance()) is not None:
            for job in job_names(product):
                yield from job_samples(instance, product, job)

    def of_home(self, _home: str) -> Iterator[Sample]:
        """Yield the numbers of the instance itself."""
        if (instance := self.instance()) is not None:
            yield from instance_samples(instance)


@cache
def job_names(product: str) -> tuple[str, ...]:
    """Return the names of a product's jobs, sorted."""
    jobs = product_automation(read_product_spec(product)).jobs or ()
    return tuple(sorted(job.name for job in jobs))


def job_samples(instance: dg.DagsterInstance, product: str, job: str) -> Iterator[Sample]:
    """Yield the numbers of one job's last runs."""
    ended = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_ENDED), limit=1)
    if not ended:
        return
    last, is_success = ended[0], ended[0].dagster_run.is_success
    if last.end_time is not None:
        yield LAST_RUN.of(last.end_time, product, job)
        if last.start_time is not None:
            yield LAST_DURATION.of(last.end_time - last.start_time, product, job)
    yield LAST_RUN_SUCCESS.of(is_success, product, job)
    succeeded = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
    for record in ended if is_success else instance.get_run_records(succeeded, limit=1):
        if record.end_time is not None:
            yield LAST_SUCCESS.of(record.end_time, product, job)


def instance_samples(instance: dg.DagsterInstance) -> Iterator[Sample]:
    """Yield what waits and runs, and the heartbeats of the daemon."""
    for status, statuses in _UNFINISHED.items():
        yield UNFINISHED.of(instance.get_runs_count(dg.RunsFilter(statuses=statuses)), status)
    for daemon, heartbeat in instance.get_daemon_heartbeats().items():
        yield HEARTBEAT.of(heartbeat.timestamp, daemon)
