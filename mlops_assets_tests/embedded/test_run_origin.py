"""Runs of this process belong to the code location; without Dagster's private names they run all the same."""

from collections.abc import Iterator

import dagster as dg
import pytest

from mlops_assets.embedded.run_origin import LOCATION, runs_of_the_code_location
from mlops_assets_tests.support.documents.markdown_pages import ROOT


@dg.op
def nothing() -> None:
    pass


@dg.job
def small_job() -> None:
    nothing()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def run_origin(instance: dg.DagsterInstance) -> str | None:
    with runs_of_the_code_location(instance, "small_job"):
        run_id = small_job.execute_in_process(instance=instance).run_id
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.is_success
    return run.remote_job_origin.location_name if run.remote_job_origin else None


def test_a_run_names_the_code_location_of_the_workspace(instance: dg.DagsterInstance) -> None:
    assert run_origin(instance) == LOCATION
    assert f"location_name: {LOCATION}\n" in (ROOT / "workspace.yaml").read_text("utf-8")


def test_runs_after_the_block_are_as_before(instance: dg.DagsterInstance) -> None:
    run_origin(instance)
    run = instance.get_run_by_id(small_job.execute_in_process(instance=instance).run_id)
    assert run is not None
    assert run.remote_job_origin is None


def test_without_dagsters_own_names_the_job_runs_without_an_origin(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("dagster._core.remote_origin.ManagedGrpcPythonEnvCodeLocationOrigin")
    assert run_origin(instance) is None
