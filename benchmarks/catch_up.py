"""What it costs to monitor half a year that nobody has looked at: the job `monitor` over all 183 days.

`python -m benchmarks.catch_up [--product fraud_detection] [--repeats 3]`. `mlops demo` first makes a home with a
released model. Then, `--repeats` times, the tables and pages of monitoring are deleted, and one run of the job makes
them for every day: scores and outcomes of all events, profiles, and for each of the 183 windows the drift of every
column, the performance with its bootstrap, the estimate of what no label has told, and a page. Each run is a process
of its own, timed from its start to its end, imports included. There is no peer: Evidently's preset on one window is in
`benchmarks.drift_cost`.

Last line: one JSON object with `seconds` (median, with `spread`), `cpu_seconds`, `windows`, `events` and
`seconds_by_asset` of the first run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import polars as pl
from rich.console import Console
from rich.progress import track

from benchmarks.result import print_json, print_table
from mlops_assets.automation.jobs import FAIRNESS, MONITOR, VERDICTS
from mlops_assets.automation.run_tags import partition_range_tags
from mlops_assets.catalogue import load_product
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.joint.stored import PAIR_SUMS
from mlops_assets.core.monitoring.stored_profiles import PROFILES
from mlops_assets.core.settings import load_settings
from mlops_assets.embedded.dagster_home import dagster_instance

MADE_BY_MONITORING = (*MONITOR, *FAIRNESS, *VERDICTS, PROFILES, PAIR_SUMS)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """One catch-up."""

    seconds: float
    cpu_seconds: float
    seconds_by_asset: dict[str, float]


def catch_up(product: str, home: Path) -> dict[str, float]:
    """Run the job over all days of the product; return seconds by asset. In a process of its own."""
    from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
    from mlops_assets.definitions import defs

    let_waiting_threads_sleep()
    spec = load_product(product).spec
    if spec.time is None or spec.time.end_date is None:
        raise SystemExit(f"{product} has no last day, so that there is no half year to catch up")
    settings = load_settings({"MLOPS_HOME": str(home)}, working_directory=home)
    result = (
        defs()
        .resolve_job_def(f"{product}__monitor")
        .execute_in_process(
            instance=dagster_instance(settings),
            tags=partition_range_tags(
                spec.time, spec.time.start_date, spec.time.end_date - timedelta(days=1)
            ),
            run_config=QUIET,
        )
    )
    done = result.filter_events(lambda event: event.is_step_success)
    return {str(event.step_key).split("__")[-1]: event.step_success_data.duration_ms / 1000 for event in done}


def forget_monitoring(product: str, home: Path) -> None:
    """Delete what the job has made."""
    for name in MADE_BY_MONITORING:
        shutil.rmtree(home / "tables" / product / name, ignore_errors=True)
    shutil.rmtree(home / "reports" / product, ignore_errors=True)


def measure(product: str, home: Path) -> Run:
    """Time one catch-up."""
    forget_monitoring(product, home)
    before, began = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.catch_up", "--product", product, "--home", str(home)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=own_environment(home))
    seconds, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(seconds, used, json.loads(answer.stdout.splitlines()[-1]))


def own_environment(home: Path) -> dict[str, str]:
    """Return the environment without what would lead out of the home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "DAGSTER_", "MLFLOW_"))
    }
    return {**kept, "MLOPS_HOME": str(home)}


def main() -> None:
    """Make a home, catch up several times, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--product", default="fraud_detection")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.home is not None:
        print(json.dumps(catch_up(options.product, options.home)))
        return
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="catch-up-") as folder:
        home = Path(folder) / "home"
        with console.status("a home with a released model"):
            subprocess.run(
                [Path(sys.executable).with_name("mlops"), "demo", options.product],
                check=True, env=own_environment(home), stdout=subprocess.DEVNULL,
            )  # fmt: skip
        runs = [
            measure(options.product, home)
            for _ in track(range(options.repeats), "catch-ups", console=console)
        ]
        tables = DeltaTables(load_settings({"MLOPS_HOME": str(home)}, working_directory=home).tables_uri)
        windows = tables.read(options.product, "verdicts")["event_date"].n_unique()
        events = tables.scan(options.product, "events").select(pl.len()).collect().item()
    print_table("Seconds by asset, first run", ["asset", "seconds"], list(runs[0].seconds_by_asset.items()))
    seconds = [run.seconds for run in runs]
    print_json(
        {
            "seconds": median(seconds),
            "spread": {"seconds": [min(seconds), max(seconds)]},
            "cpu_seconds": median(run.cpu_seconds for run in runs),
            "windows": windows,
            "events": events,
            "seconds_by_asset": runs[0].seconds_by_asset,
        }
    )


if __name__ == "__main__":
    main()
