"""A process that runs release jobs of a small registry, and with `hang` stays inside the first step after its commit.

test_release_jobs.py starts it. Arguments: the registry's home, the jobs' verbs, perhaps `hang`.
"""

import sys
import time
from pathlib import Path

import dagster as dg

from mlops_assets.automation.release_jobs import release_jobs
from mlops_assets.catalogue import load_product
from mlops_assets.core.product_spec import Release
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import load_settings
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.homes.small_registry import PRODUCT

ONE_RUN_PER_POOL = {
    "telemetry": {"enabled": False},
    "concurrency": {"pools": {"granularity": "op", "default_limit": 1}},
}


def hang(_control: ReleaseControl, _product: str) -> tuple[str, ...]:
    """Stand where MLflow would be brought up: the change is committed, the step is not over."""
    sys.stdout.write("in the step\n")
    sys.stdout.flush()
    time.sleep(600)
    return ()


def main(root: Path, verb: str) -> None:
    """Run the job on the home's own Dagster instance."""
    spec = load_product(PRODUCT).spec.model_copy(
        update={"release": Release(approval="automatic", ramp=(10, 100))}
    )
    (job,) = [one for one in release_jobs(spec) if one.name == f"{PRODUCT}__{verb}"]
    settings = load_settings({"MLOPS_HOME": str(root)}, working_directory=root)
    folder = root / "dagster"
    folder.mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder), overrides=ONE_RUN_PER_POOL) as instance:
        job.execute_in_process(
            instance=instance,
            run_config={"ops": {f"{job.name}_step": {"config": {"by": "ann", "reason": f"to {verb}"}}}},
            resources={
                "lakehouse": LakehouseResource(tables_uri=settings.tables_uri),
                "tracking": TrackingResource(tracking_uri=settings.tracking_uri, artifacts_uri="", ui_url=""),
            },
        )


if __name__ == "__main__":
    home, *verbs = sys.argv[1:]
    if verbs[-1] == "hang":
        ReleaseControl.repair = hang  # pyright: ignore[reportAttributeAccessIssue]
    for name in verbs:
        main(Path(home), name)
