"""The last runs of jobs, as numbers of a real Dagster instance."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from mlops_assets.commands.metrics.runs import (
    INSTANCE_METRICS,
    JOB_METRICS,
    DagsterRuns,
    instance_samples,
    job_names,
    job_samples,
)
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets_tests.support.alerts.failing_runs import run_events, run_model
from mlops_assets_tests.support.exporter import numbers

PRODUCT, JOB = "fraud_detection", "fraud_detection__retrain"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def of_job(instance: dg.DagsterInstance) -> dict[str, float]:
    return {key[0]: value for key, value in numbers(job_samples(instance, PRODUCT, JOB)).items()}


def test_a_job_that_never_ran_has_no_numbers(instance: dg.DagsterInstance) -> None:
    run_events(instance, check_passes=True)
    assert of_job(instance) == {}


def test_a_failure_after_a_success_leaves_the_time_of_the_success(instance: dg.DagsterInstance) -> None:
    run_model(instance, fails=False)
    first = of_job(instance)
    assert first["mlops_job_last_run_success"] == 1
    assert first["mlops_job_last_success_timestamp_seconds"] == first["mlops_job_last_run_timestamp_seconds"]
    assert first["mlops_job_last_run_duration_seconds"] >= 0
    run_model(instance, fails=True)
    then = of_job(instance)
    assert then["mlops_job_last_run_success"] == 0
    assert then["mlops_job_last_run_timestamp_seconds"] > first["mlops_job_last_run_timestamp_seconds"]
    assert (
        then["mlops_job_last_success_timestamp_seconds"] == first["mlops_job_last_success_timestamp_seconds"]
    )
    assert set(then) == {metric.name for metric in JOB_METRICS}


def test_a_job_that_only_failed_has_no_success(instance: dg.DagsterInstance) -> None:
    run_model(instance, fails=True)
    assert "mlops_job_last_success_timestamp_seconds" not in of_job(instance)


def test_what_waits_and_runs_and_whether_the_daemon_lives(instance: dg.DagsterInstance) -> None:
    for status in (
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTED,
    ):
        instance.add_run(dg.DagsterRun(job_name=JOB, status=status))
    instance.add_daemon_heartbeat(DaemonHeartbeat(1000.0, "SENSOR", None, None))
    found = numbers(instance_samples(instance))
    assert found == {
        ("mlops_runs_unfinished", "queued"): 2,
        ("mlops_runs_unfinished", "started"): 1,
        ("mlops_daemon_heartbeat_timestamp_seconds", "SENSOR"): 1000,
    }
    assert {key[0] for key in found} == {metric.name for metric in INSTANCE_METRICS}


def test_the_jobs_of_a_product_are_those_of_its_declaration() -> None:
    names = job_names(PRODUCT)
    assert {f"{PRODUCT}__{verb}" for verb in ("ingest", "retrain", "monitor", "collect", "daily")} <= {*names}
    assert list(names) == sorted(names)


def test_a_home_in_which_nothing_ran_stays_empty(settings: Settings) -> None:
    with patch.dict("os.environ", {"DAGSTER_HOME": ""}):
        runs = DagsterRuns(settings)
        assert [*runs.of_product(PRODUCT), *runs.of_home("")] == []
    assert list(settings.home.iterdir()) == []
