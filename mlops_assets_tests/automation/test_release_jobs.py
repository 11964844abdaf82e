"""Release steps as jobs: real Dagster in process on a real registry."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.release_jobs import release_jobs
from mlops_assets.catalogue import load_product
from mlops_assets.core.product_spec import Release
from mlops_assets.core.release.plan import Arm
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    return small


def run(small: SmallRegistry, verb: str, *, version: int | None = None) -> dg.ExecuteInProcessResult:
    spec = load_product(PRODUCT).spec.model_copy(
        update={"release": Release(approval="automatic", ramp=(10, 100))}
    )
    (job,) = [one for one in release_jobs(spec) if one.name == f"{PRODUCT}__{verb}"]
    config = {"by": "ann", "reason": f"to {verb}", "version": version}
    return job.execute_in_process(
        run_config={"ops": {f"{job.name}_step": {"config": config}}},
        resources={
            "lakehouse": LakehouseResource(tables_uri=small.tables_uri),
            "tracking": TrackingResource(tracking_uri=small.uri, artifacts_uri="", ui_url=""),
        },
    )


def test_a_trial_by_jobs_takes_the_declared_ramp_and_tells_who_and_why(small: SmallRegistry) -> None:
    run(small, "start_shadow", version=2)
    assert small.standing().arms == (Arm(1, 100, "champion"), Arm(2, 0, "shadow"))
    result = run(small, "advance")
    assert small.standing().arms == (Arm(1, 90, "champion"), Arm(2, 10, "challenger"))
    assert (small.standing().by, small.standing().reason) == ("ann", "to advance")
    (output,) = [event for event in result.all_events if event.is_successful_output]
    assert output.step_output_data.metadata["sequence"].value == small.standing().sequence
    run(small, "advance")
    assert small.standing().champion.version == 2
    run(small, "rollback")
    assert (small.standing().mode, small.standing().champion.version) == ("rollback", 1)
    assert small.control.record(PRODUCT).decisions(2)[-1].kind == "rejected"


def test_a_canary_by_job_takes_the_version_that_is_named(small: SmallRegistry) -> None:
    run(small, "start_canary", version=3)
    assert small.standing().arms == (Arm(1, 90, "champion"), Arm(3, 10, "challenger"))
    assert small.standing().ramp == (10, 100)
    run(small, "start_canary")
    assert small.standing().arms == (Arm(1, 90, "champion"), Arm(4, 10, "challenger")), (
        "none means the newest"
    )


@pytest.mark.rehearsal
def test_a_process_killed_in_a_release_step_holds_nothing_that_a_release_or_a_rollback_waits_for(
    small: SmallRegistry,
) -> None:
    """In a home whose dagster.yaml limits pools to one run, as every home once had."""
    with started(small, "start_canary", "hang") as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline().strip() == "in the step"
        killed.kill()
    assert small.standing().arms == (Arm(1, 90, "champion"), Arm(4, 10, "challenger")), "it had committed"
    with started(small, "advance", "rollback") as process:
        assert process.wait(timeout=120) == 0
    plans = small.control.record(PRODUCT).plans
    assert [(plan.reason, plan.champion.version) for plan in plans[-2:]] == [
        ("to advance", 4),
        ("to rollback", 1),
    ]


@contextmanager
def started(small: SmallRegistry, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A process that runs release jobs, see support/processes/release_step.py; gone afterwards."""
    command = [sys.executable, "-m", "mlops_assets_tests.support.processes.release_step", str(small.root)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
