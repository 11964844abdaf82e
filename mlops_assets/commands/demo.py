"""`mlops demo`: materialize the products end to end in this process, with progress, and show what stands afterwards."""

import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from mlops_assets.automation.dead_runs import end_dead_runs
from mlops_assets.automation.jobs import retrain_config
from mlops_assets.automation.run_tags import HOST, partition_range_tags
from mlops_assets.catalogue import load_product, product_names
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.dagster_home import dagster_instance
from mlops_assets.embedded.run_origin import runs_of_the_code_location

MONITORED_DAYS = 28
"""Days of data after the training set's as-of time, which the demo scores and monitors as if they were served."""
POLL_SECONDS = 0.3


@dataclass(frozen=True)
class DemoRun:
    """One Dagster run of the demo."""

    title: str
    job: str
    nouns: tuple[str, ...] | None = None
    """Assets of the job that are materialized; None for all."""
    days: tuple[date, date] | None = None
    """First and last partition."""
    config: Mapping[str, object] | None = None


def demo_runs(spec: ProductSpec) -> list[DemoRun]:
    """Plan the runs for one product: the whole history, a model as of some weeks before its end, then those weeks."""
    if spec.time is None:
        return [
            DemoRun("ingest, features", "ingest"),
            DemoRun("train, evaluate, release", "retrain"),
            DemoRun("score, monitor", "monitor"),
        ]
    if spec.time.end_date is None:
        raise PlatformError(f"{spec.name}: the demo needs data with an end (time.end_date)")
    last = spec.time.end_date - timedelta(days=1)
    as_of = spec.time.end_date - timedelta(days=MONITORED_DAYS)
    return [
        DemoRun("ingest, features", "ingest", days=(spec.time.start_date, last)),
        DemoRun("train, evaluate, release", "retrain", config=retrain_config(spec, as_of)),
        DemoRun("load the online store", "daily", nouns=("online_features",), days=(last, last)),
        DemoRun("score and monitor the weeks after", "monitor", days=(as_of, last)),
    ]


def run_demo(settings: Settings, *, console: Console, products: Sequence[str] | None = None) -> float:
    """Materialize the products end to end and return the seconds it took; what is up to date stays as it is.

    Raises: PlatformError naming the step that failed; what was written before stays, and running again goes on.
    """
    from mlops_assets.definitions import defs

    started = time.monotonic()
    instance = dagster_instance(settings)
    end_dead_runs(instance, now=datetime.now(UTC))
    definitions = defs()
    control = ReleaseControl.of(settings)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    ) as progress:  # fmt: skip
        for name in products or product_names():
            for run in demo_runs(load_product(name).spec):
                if run.job == "monitor" and control.standing(name) is None:
                    progress.console.print(
                        f"{name}: nothing is released, so that there is nothing to {run.title}"
                    )
                    continue
                _execute(definitions, instance, name, run, progress)
    return time.monotonic() - started


def _execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, product: str, run: DemoRun, progress: Progress
) -> None:
    job = definitions.resolve_job_def(f"{product}__{run.job}")
    run_id = str(uuid.uuid4())
    task = progress.add_task(f"{product}: {run.title}", total=None)
    stop = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(instance, run_id, progress, task, f"{product}: {run.title}", stop)
    )
    watcher.start()
    try:
        with runs_of_the_code_location(instance, job.name):
            result = job.execute_in_process(
                run_config={
                    **(run.config or {}),
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                instance=instance,
                tags=_tags(run, load_product(product).spec),
                raise_on_error=False,
                run_id=run_id,
                asset_selection=[dg.AssetKey([product, noun]) for noun in run.nouns] if run.nouns else None,
            )
    finally:
        stop.set()
        watcher.join()
    if not result.success:
        raise PlatformError(_failure(result))


def _tags(run: DemoRun, spec: ProductSpec) -> dict[str, str]:
    days = (
        partition_range_tags(spec.time, *run.days) if run.days is not None and spec.time is not None else {}
    )
    return {HOST: socket.gethostname(), **days}


def _watch(  # noqa: PLR0917 (a thread's target takes its arguments by position)
    instance: dg.DagsterInstance,
    run_id: str,
    progress: Progress,
    task: TaskID,
    title: str,
    stop: threading.Event,
) -> None:
    """Follow the run's steps in the event log, which another thread writes."""
    wanted = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.RUN_START}
    is_last = False
    while not is_last:
        is_last = stop.wait(POLL_SECONDS)
        events = [
            entry.dagster_event for entry in instance.all_logs(run_id, of_type=wanted) if entry.dagster_event
        ]
        started = [event.step_key for event in events if event.is_step_start]
        done = sum(event.is_step_success for event in events)
        run = instance.get_run_by_id(run_id)
        total = len(run.step_keys_to_execute or []) if run and run.step_keys_to_execute else None
        noun = "" if is_last or not started else f", {str(started[-1]).split('__')[-1]}"
        progress.update(
            task, completed=done, total=total or (done if is_last else None), description=title + noun
        )


def _failure(result: dg.ExecuteInProcessResult) -> str:
    lines = []
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            error = event.step_failure_data.error
            cause = error.cause or error
            lines.append(f"{event.step_key}: {cause.cls_name}: {cause.message.strip()}")
    return "\n".join(lines) or "the run failed before its first step; see it in the web UI (make dev)"
