"""What Dagster, Delta and MLflow add to the retraining of fraud detection, beside a plain script of the same work.

`python -m benchmarks.pipeline [--repeats 3] [--scale 1.0] [--days 183]`. Both read the simulated source, judge rows by
the contract, compute the features of the whole history, build the training set, search, fit, evaluate with the same
bootstrap and judge the gates, with the same functions of `mlops_assets.core`. Ours does it as the product's jobs and
leaves tables with history, an MLflow run, a registered version, checks and pictures; the script leaves Parquet files.
Each run is a process of its own with an empty folder, timed from its start to its end, imports included; the order
alternates. Both must make the same model, estimates and verdicts. Last line: one JSON object with overhead_ratio
(median of paired ratios of wall-clock time; `spread` has its minimum and maximum), overhead_seconds (median of the
differences), and the same of processor time, which other processes on the machine disturb less.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.result import print_json, print_table, ratio_with_spread

CONTENDERS = {"script": "benchmarks.pipeline.script", "dagster": "benchmarks.pipeline.with_dagster"}
CHECKED = ("rows", "model_digest", "estimates_digest", "verdicts_digest")
OWN_VARIABLES = ("MLOPS_", "DAGSTER_", "MLFLOW_")
"""Prefixes of the environment variables that would lead a contender out of its own folder."""


@dataclass(frozen=True)
class Run:
    """One run of one contender."""

    seconds: float
    cpu_seconds: float
    answer: dict[str, object]


def measure(name: str, options: argparse.Namespace, on_stage: Callable[[str], None]) -> Run:
    """Run a contender in a process of its own and time all of it; `on_stage` hears what it begins."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(OWN_VARIABLES)}
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder, tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", CONTENDERS[name], str(Path(folder) / "home")]
        sizes = [f"--scale={options.scale}", f"--days={options.days}"]
        before, began = os.times(), time.perf_counter()
        process = subprocess.Popen(
            [*command, *sizes], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        line = ""
        for line in process.stdout or ():
            on_stage(line.strip())
        code = process.wait()
        seconds, after = time.perf_counter() - began, os.times()
        if code != 0:
            log.seek(0)
            raise SystemExit(f"{name} ended with code {code}:\n{log.read().decode(errors='replace')[-3000:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(seconds, used, json.loads(line))


def measure_all(options: argparse.Namespace) -> dict[str, list[Run]]:
    """Run both contenders `--repeats` times, the first of a pair being the second of the next."""
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for repeat in range(options.repeats):
            for name in list(CONTENDERS)[:: -1 if repeat % 2 else 1]:
                title = f"{repeat + 1} of {options.repeats}, {name}"
                task = progress.add_task(title, total=1)

                def show(stage: str, *, task: object = task, title: str = title) -> None:
                    if not stage.startswith("{"):
                        progress.update(task, description=f"{title}: {stage}")  # type: ignore[arg-type]

                runs[name].append(measure(name, options, show))
                progress.update(task, completed=1, description=title)
            check_equal(runs["script"][-1].answer, runs["dagster"][-1].answer)
    return runs


def check_equal(script: dict[str, object], dagster: dict[str, object]) -> None:
    """Exit when the contenders made different tables, models, estimates or verdicts."""
    different = [name for name in CHECKED if script[name] != dagster[name]]
    if different:
        shown = "; ".join(f"{name}: {script[name]} and {dagster[name]}" for name in different)
        raise SystemExit(f"script and dagster did not do the same work, they differ in {shown}")


def step_rows(runs: dict[str, list[Run]]) -> list[list[object]]:
    """Median seconds per step of both and their difference; then what lies outside of all steps."""

    def steps(name: str) -> dict[str, float]:
        seconds = [run.answer["step_seconds"] for run in runs[name]]
        return {step: median(s[step] for s in seconds) for step in seconds[0]}  # type: ignore[union-attr,index]

    script, dagster = steps("script"), steps("dagster")
    rows: list[list[object]] = [
        [step, script.get(step, 0.0), seconds, seconds - script.get(step, 0.0)]
        for step, seconds in dagster.items()
    ]
    rest = {
        name: median(run.seconds for run in runs[name]) - sum(taken.values())
        for name, taken in (("script", script), ("dagster", dagster))
    }
    rows.append(["imports and between steps", *rest.values(), rest["dagster"] - rest["script"]])
    return rows


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="customers and terminals, times those of the product"
    )
    parser.add_argument("--days", type=int, default=183, help="days of history; the splits need 65")
    options = parser.parse_args()
    runs = measure_all(options)
    rows = runs["dagster"][0].answer["rows"]
    transactions = rows["events"] if isinstance(rows, dict) else 0
    print_table(
        f"Retraining on {transactions:,} transactions: median seconds per step",
        ["step", "script", "dagster", "difference"],
        step_rows(runs),
    )
    print_table(
        "Whole runs, medians",
        ["contender", "seconds", "CPU seconds", "peak RSS, GiB"],
        [
            [
                name,
                median(run.seconds for run in done),
                median(run.cpu_seconds for run in done),
                max(float(str(run.answer["peak_rss_gib"])) for run in done),
            ]
            for name, done in runs.items()
        ],
    )
    print_json(summary(runs, transactions))


def summary(runs: dict[str, list[Run]], transactions: int) -> dict[str, object]:
    """The machine-readable answer."""
    script, dagster = runs["script"], runs["dagster"]
    wall, wall_spread = ratio_with_spread([r.seconds for r in dagster], [r.seconds for r in script])
    cpu, cpu_spread = ratio_with_spread([r.cpu_seconds for r in dagster], [r.cpu_seconds for r in script])
    pairs = list(zip(dagster, script, strict=True))
    return {
        "transactions": transactions,
        "overhead_ratio": wall,
        "overhead_seconds": median(ours.seconds - theirs.seconds for ours, theirs in pairs),
        "cpu_overhead_ratio": cpu,
        "cpu_overhead_seconds": median(ours.cpu_seconds - theirs.cpu_seconds for ours, theirs in pairs),
        "script_seconds": median(run.seconds for run in script),
        "dagster_seconds": median(run.seconds for run in dagster),
        "same_model_digest": script[-1].answer["model_digest"],
        "spread": {"overhead_ratio": wall_spread, "cpu_overhead_ratio": cpu_spread},
    }


if __name__ == "__main__":
    main()
