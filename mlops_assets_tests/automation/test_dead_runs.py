"""Runs whose process was killed end, and nobody else's do: real processes, a real instance on SQLite."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest

from mlops_assets.automation import dead_runs
from mlops_assets.automation.dead_runs import GRACE, dead_runs_sensor, end_dead_runs
from mlops_assets.automation.run_tags import HOST
from mlops_assets.commands.doctor.orchestration import dead_runs_check

GOES_ON = """
import sys, time
import dagster as dg

@dg.op
def wait():
    sys.stdout.write("in the step\\n")
    sys.stdout.flush()
    time.sleep(600)

@dg.job
def endless():
    wait()

with dg.DagsterInstance.local_temp(sys.argv[1], overrides={"telemetry": {"enabled": False}}) as instance:
    endless.execute_in_process(instance=instance, tags=dict([sys.argv[2].split("=")]))
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(
        str(tmp_path), overrides={"telemetry": {"enabled": False}}
    ) as instance:
        yield instance


@pytest.fixture
def running(tmp_path: Path) -> "Iterator[list[subprocess.Popen[str]]]":
    """Processes that a test starts; gone afterwards."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(folder: Path, tag: str = "mlops/trigger=test") -> "subprocess.Popen[str]":
    """A process that executes a run in itself, and is in the middle of its step."""
    process = subprocess.Popen(
        [sys.executable, "-c", GOES_ON, str(folder), tag], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in the step"
    return process


def now() -> datetime:
    return datetime.now(UTC)


def statuses(instance: dg.DagsterInstance) -> list[str]:
    return [run.status.value for run in instance.get_runs(ascending=True)]


def test_a_run_whose_process_was_killed_in_its_middle_is_ended_and_one_that_goes_on_is_not(
    instance: dg.DagsterInstance, tmp_path: Path, running: "list[subprocess.Popen[str]]"
) -> None:
    running += [start(tmp_path), start(tmp_path)]
    assert end_dead_runs(instance, now=now()) == ()
    assert dead_runs_check(instance).status == "ok"
    running[0].kill()
    deadline = time.monotonic() + 60
    while psutil.Process(running[0].pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    found = dead_runs_check(instance)
    assert found.status == "warning"
    assert f"1 of dead processes: {instance.get_runs(ascending=True)[0].run_id[:8]}" in found.detail
    (dead,) = end_dead_runs(instance, now=now())
    assert dead.why == f"its process {running[0].pid} has ended", "nobody has fetched its exit status"
    assert statuses(instance) == ["FAILURE", "STARTED"]

    running[1].kill()
    running[1].wait()
    with dg.build_sensor_context(instance=instance) as context:
        skipped = dead_runs_sensor()(context)
    assert isinstance(skipped, dg.SkipReason)
    assert f"its process {running[1].pid} is gone" in str(skipped.skip_message)
    assert statuses(instance) == ["FAILURE", "FAILURE"]
    (_, last) = instance.get_runs(ascending=True)
    (event,) = instance.all_logs(last.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "is gone: the run is marked as failed" in event.message
    assert end_dead_runs(instance, now=now()) == ()


def test_a_process_that_took_the_number_later_is_not_the_runs(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    running: "list[subprocess.Popen[str]]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running.append(start(tmp_path))
    running[0].kill()
    running[0].wait()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    running.append(other)
    monkeypatch.setattr(dead_runs, "_pid", lambda *_: other.pid)
    monkeypatch.setattr(dead_runs, "_TOLERANCE", timedelta(seconds=-3))  # Linux counts from a whole second
    (dead,) = end_dead_runs(instance, now=now())
    assert "the number is another process's now" in dead.why


def test_a_run_of_another_host_is_never_judged(
    instance: dg.DagsterInstance, tmp_path: Path, running: "list[subprocess.Popen[str]]"
) -> None:
    running.append(start(tmp_path, f"{HOST}=another-machine"))
    running[0].kill()
    running[0].wait()
    assert end_dead_runs(instance, now=now() + 10 * GRACE) == ()


@pytest.mark.parametrize(("address", "is_here"), [("localhost", True), ("code-server", False)])
def test_a_started_run_that_names_no_process_is_ended_after_a_time(
    instance: dg.DagsterInstance, address: str, is_here: bool
) -> None:
    @dg.job
    def nothing() -> None:
        pass

    run = instance.create_run_for_job(
        nothing, tags={".dagster/grpc_info": f'{{"host": "{address}", "port": 1}}'}
    )
    instance.report_engine_event("asked for", run)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, message="started"), run.run_id
    )
    assert statuses(instance) == ["STARTED"]
    assert end_dead_runs(instance, now=now()) == ()
    ended = end_dead_runs(instance, now=now() + GRACE + timedelta(seconds=1))
    assert len(ended) == is_here
    assert statuses(instance) == ["FAILURE" if is_here else "STARTED"]


def test_a_run_that_was_made_and_never_queued_is_ended_after_a_time(instance: dg.DagsterInstance) -> None:
    """As a web server leaves it that is killed between the two."""

    @dg.job
    def idle() -> None:
        pass

    instance.create_run_for_job(idle)
    assert end_dead_runs(instance, now=now() + timedelta(minutes=1)) == ()
    assert statuses(instance) == ["NOT_STARTED"]
    assert len(end_dead_runs(instance, now=now() + GRACE + timedelta(seconds=1))) == 1
    assert statuses(instance) == ["FAILURE"]


def test_an_instance_whose_runs_are_not_in_sqlite_is_left_alone() -> None:
    """Its processes may be on any machine; a class of another name stands for a database server's."""

    class PostgresRunStorage:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked of it")

    class Instance:
        run_storage = PostgresRunStorage()

    assert end_dead_runs(Instance(), now=now()) == ()  # pyright: ignore[reportArgumentType]
