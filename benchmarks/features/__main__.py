"""The 15 published fraud features over the simulated history: ours, pandas' rolling, DuckDB's range windows.

`python -m benchmarks.features [--rows-scale 1.0] [--repeats 5] [--growth 10]`. All three run alternately in this
process on the same transactions, two threads each, and must give the same answers. The first run of each is a warm-up:
it loads code and memory, is checked and reported (`first_seconds`), and does not count. Then ours streams a stored
history and one with `--growth` times the rows, block by block, each in a process of its own. Last line: one JSON
object, with speedup_vs_pandas and speedup_vs_duckdb (medians of paired ratios; `spread` has their minimum and
maximum), growth_exponent (log of the time ratio to the base of the row ratio: 1 is linear) and peak_rss_gib (of the
larger run).
"""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "2")

import argparse
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import polars as pl

from benchmarks.features.peers import duckdb_features, duckdb_table, pandas_features
from benchmarks.features.stream import simulated_events
from benchmarks.features.views import PUBLISHED_VIEW
from benchmarks.result import print_json, print_table, ratio_with_spread
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.products.fraud_detection.simulator import Simulation

TOLERANCE = 1e-9


def scaled_simulation(scale: float) -> Simulation:
    """The published simulation with `scale` times the customers and terminals, each as busy as before."""
    base = Simulation()
    customers, terminals = round(base.customers * scale), round(base.terminals * scale)
    return Simulation(customers=customers, terminals=terminals, radius=base.radius / math.sqrt(scale))


def compare(scale: float, repeats: int) -> dict[str, list[float]]:
    """Seconds of each contender, by name: those of the warm-up, whose answers are compared, then one per repeat."""
    simulation = scaled_simulation(scale)
    days = [simulated_events(simulation, day) for day in range(simulation.days)]
    events, labels = pl.concat([day[0] for day in days]), pl.concat([day[1] for day in days])
    inlined = events.join(labels.drop("known_at"), on="transaction_id", maintain_order="left").drop(
        "known_at"
    )
    transactions, table = inlined.to_pandas(), duckdb_table(inlined)
    contenders: dict[str, Callable[[], pl.DataFrame]] = {
        "ours": lambda: compute_features(PUBLISHED_VIEW, events, labels),
        "duckdb": lambda: duckdb_features(table),
        "pandas": lambda: pl.from_pandas(pandas_features(transactions)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    answers: dict[str, pl.DataFrame] = {}
    for _ in range(1 + repeats):
        for name, run in contenders.items():
            gc.collect()
            began = time.perf_counter()
            answer = run()
            seconds[name].append(time.perf_counter() - began)
            answers.setdefault(name, answer)
    for name in ("duckdb", "pandas"):
        check_equal(answers["ours"], answers[name], name)
    return seconds


def check_equal(ours: pl.DataFrame, theirs: pl.DataFrame, name: str) -> None:
    """Exit when the answers differ: in rows, in nulls, or by more than TOLERANCE, relative to values above 1."""
    order = pl.col("transaction_id")
    names = list(PUBLISHED_VIEW.feature_names)
    left, right = (f.sort(order).select(pl.col(names).cast(pl.Float64)) for f in (ours, theirs))
    if left.height != right.height or not left.select(pl.all().is_null()).equals(
        right.select(pl.all().is_null())
    ):
        raise SystemExit(f"ours and {name} differ in rows or nulls")
    for feature in names:
        relative = (left[feature] - right[feature]).abs() / left[feature].abs().clip(1.0)
        apart = relative.filter(relative > TOLERANCE)
        if apart.len():
            raise SystemExit(
                f"{feature}: ours and {name} differ in {apart.len()} rows, by up to {apart.max()}"
            )


def stream(scale: float) -> dict[str, float]:
    """Rows, seconds and peak memory of a stored history, computed block by block in a process of its own."""
    simulation = scaled_simulation(scale)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {
            "customers": simulation.customers,
            "terminals": simulation.terminals,
            "radius": simulation.radius,
        }
        options = [f"--{name}={value}" for name, value in sizes.items()]
        command = [sys.executable, "-m", "benchmarks.features.stream"]
        subprocess.run([*command, "write", folder, *options], check=True)
        done = subprocess.run([*command, "compute", folder], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run the comparison and the growth, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows-scale", type=float, default=1.0, help="customers and terminals, times the published"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs that count, after one that does not")
    parser.add_argument(
        "--growth", type=float, default=10.0, help="how many times the rows of the larger history"
    )
    options = parser.parse_args()
    all_seconds = compare(options.rows_scale, options.repeats)
    first = {name: runs[0] for name, runs in all_seconds.items()}
    seconds = {name: runs[1:] for name, runs in all_seconds.items()}
    small, large = stream(options.rows_scale), stream(options.rows_scale * options.growth)
    print_table(
        f"15 features of {small['rows']:,} transactions, seconds",
        ["contender", "first", "median", "minimum", "maximum"],
        [[name, first[name], median(runs), min(runs), max(runs)] for name, runs in seconds.items()],
    )
    print_table(
        "ours, streamed from and to Parquet",
        ["rows", "seconds", "peak RSS, GiB"],
        [[f"{run['rows']:,}", run["seconds"], run["peak_rss_gib"]] for run in (small, large)],
    )
    pandas, pandas_spread = ratio_with_spread(seconds["pandas"], seconds["ours"])
    duckdb, duckdb_spread = ratio_with_spread(seconds["duckdb"], seconds["ours"])
    growth = math.log(large["seconds"] / small["seconds"]) / math.log(large["rows"] / small["rows"])
    print_json(
        {
            "rows": small["rows"],
            "rows_streamed": large["rows"],
            "speedup_vs_pandas": pandas,
            "speedup_vs_duckdb": duckdb,
            "growth_exponent": growth,
            "peak_rss_gib": large["peak_rss_gib"],
            "first_seconds": first,
            "spread": {"speedup_vs_pandas": pandas_spread, "speedup_vs_duckdb": duckdb_spread},
        }
    )


if __name__ == "__main__":
    main()
