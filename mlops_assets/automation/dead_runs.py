"""Ends Dagster runs whose process is not there any more, so that none stays started for ever and fills the queue.

Dagster's launcher of the embedded setup asks nobody whether a run's process is alive, and a run that executes inside
`mlops demo` or `dg launch` has no launcher at all.
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import psutil

from mlops_assets.automation.run_tags import HOST

GRACE = timedelta(minutes=10)
"""How long a run may say nothing at all before it has named its process."""
_TOLERANCE = timedelta(seconds=10)
"""By how much the clock of events and that of processes may differ."""
_STARTED = (
    dg.DagsterRunStatus.NOT_STARTED,  # made and never queued: the web server was killed between the two
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_EXECUTING = re.compile(r"^Executing steps .*\(pid: (\d+)\)")
"""What Dagster's executors write first, of one process and of several alike."""
_GRPC_TAG = ".dagster/grpc_info"
_LOOPBACK = re.compile(r'"host": ?"(localhost|127\.0\.0\.1)"')


@dataclass(frozen=True)
class DeadRun:
    """A run that says it is going on, and cannot."""

    run: dg.DagsterRun
    why: str
    """For people: what became of its process."""


def dead_runs(instance: dg.DagsterInstance, *, now: datetime) -> tuple[DeadRun, ...]:
    """Return the started runs whose process has ended, oldest first; empty where runs may be on other machines.

    Only an instance with its runs in SQLite has all processes on this machine. A run that another host started (by its
    tag, or since its code location answers elsewhere) is not judged.
    """
    if type(instance.run_storage).__name__ not in ("SqliteRunStorage", "InMemoryRunStorage"):
        return ()
    started = instance.get_runs(filters=dg.RunsFilter(statuses=list(_STARTED)), ascending=True)
    return tuple(_dead(instance, [run for run in started if _is_of_this_host(run)], now=now))


def end_dead_runs(instance: dg.DagsterInstance, *, now: datetime) -> tuple[DeadRun, ...]:
    """Report the dead runs failed, so that their places are free, alerts go out and MLflow's runs are closed."""
    dead = dead_runs(instance, now=now)
    for one in dead:
        instance.report_run_failed(one.run, message=f"{one.why}: the run is marked as failed")
    return dead


def dead_runs_sensor() -> dg.SensorDefinition:
    """Make the sensor `end_dead_runs`, switched on."""

    @dg.sensor(
        name="end_dead_runs",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs whose process was killed as failed.",
    )
    def end_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        dead = end_dead_runs(context.instance, now=datetime.now(UTC))
        told = "; ".join(f"run {one.run.run_id} ({one.run.job_name}): {one.why}" for one in dead)
        return dg.SkipReason(told or "every started run has its process")

    return end_runs


def _is_of_this_host(run: dg.DagsterRun) -> bool:
    is_local = run.tags.get(HOST, socket.gethostname()) == socket.gethostname()
    address = run.tags.get(_GRPC_TAG)
    return is_local and (address is None or _LOOPBACK.search(address) is not None)


def _dead(instance: dg.DagsterInstance, runs: list[dg.DagsterRun], *, now: datetime) -> Iterator[DeadRun]:
    for run in runs:
        why = _why_dead(instance, run.run_id, now=now)
        # Its last word may have been written between the list and the look at the process.
        again = instance.get_run_by_id(run.run_id) if why else None
        if why and again is not None and again.status in _STARTED:
            yield DeadRun(again, why)


def _why_dead(instance: dg.DagsterInstance, run_id: str, *, now: datetime) -> str | None:
    newest = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    last_word = datetime.fromtimestamp(newest[0].event_log_entry.timestamp, UTC) if newest else None
    pid = _pid(instance, run_id)
    if pid is not None and last_word is not None:
        return _end_of(pid, last_word=last_word)
    since = last_word or _made_at(instance, run_id)
    if since is not None and now - since > GRACE:
        minutes = GRACE.total_seconds() / 60
        return f"it named no process, and said nothing for {minutes:.0f} minutes"
    return None


def _made_at(instance: dg.DagsterInstance, run_id: str) -> datetime | None:
    record = instance.get_run_record_by_id(run_id)
    return None if record is None else record.create_timestamp.astimezone(UTC)


def _pid(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The number of the process that executes the run, or its parent of several; None before it is named."""
    engine = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    named = [
        _EXECUTING.match(event.message or "")
        for record in engine
        if (event := record.event_log_entry.dagster_event) is not None
    ]
    return next((int(match[1]) for match in reversed(named) if match), None)


def _end_of(pid: int, *, last_word: datetime) -> str | None:
    """Say what became of the process that was alive at `last_word`; None while it lives."""
    try:
        process = psutil.Process(pid)
        created = datetime.fromtimestamp(process.create_time(), UTC)
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"its process {pid} has ended"
    except psutil.NoSuchProcess:
        return f"its process {pid} is gone"
    except psutil.AccessDenied:
        return None
    if created > last_word + _TOLERANCE:
        return f"its process {pid} is gone, and the number is another process's now"
    return None
