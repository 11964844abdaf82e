"""Features of a stored history block by block, in a process of its own, whose peak memory is its own too.

`python -m benchmarks.features.stream write FOLDER --customers N --terminals N --radius R` stores a simulated history,
one file of events and one of labels per day; `python -m benchmarks.features.stream compute FOLDER` streams it and
prints one JSON object: rows, seconds, peak_rss_gib.
"""

import argparse
import json
import time
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import polars as pl

from benchmarks.features.views import PUBLISHED_VIEW
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.products.fraud_detection.features import LABEL_DELAY
from mlops_assets.products.fraud_detection.simulator import Simulation, simulate_day

BLOCK = timedelta(days=15)
DAY = timedelta(days=1)


def simulated_events(simulation: Simulation, day: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of one simulated day, known at once, and their labels, known after the label delay."""
    transactions = simulate_day(simulation, day)
    events = transactions.drop("is_fraud", "fraud_scenario").with_columns(known_at="event_timestamp")
    labels = transactions.select(
        "transaction_id", "is_fraud", known_at=pl.col("event_timestamp") + LABEL_DELAY
    )
    return events, labels


def write(folder: Path, simulation: Simulation) -> None:
    """Store the history, a day at a time."""
    for day in range(simulation.days):
        date = simulation.start_date + timedelta(days=day)
        for name, frame in zip(("events", "labels"), simulated_events(simulation, day), strict=True):
            frame.write_parquet(folder / f"{name}_{date}.parquet")


def compute(folder: Path) -> dict[str, float]:
    """Compute the features of the whole stored history, block by block, and store them beside it."""
    days = sorted(path.stem.removeprefix("events_") for path in folder.glob("events_*.parquet"))
    start, last = (
        datetime.combine(datetime.fromisoformat(d), time_of_day(), UTC) for d in (days[0], days[-1])
    )
    rows, began = 0, time.perf_counter()
    for number in range(-(-(last + DAY - start) // BLOCK)):
        block_start = start + number * BLOCK
        block_end = min(block_start + BLOCK, last + DAY)
        first = max(block_start - PUBLISHED_VIEW.lookback, start)
        dates = [f"{first + DAY * n:%Y-%m-%d}" for n in range(-(-(block_end - first) // DAY))]
        events, labels = (
            pl.read_parquet([folder / f"{name}_{date}.parquet" for date in dates])
            for name in ("events", "labels")
        )
        features = compute_features(PUBLISHED_VIEW, events, labels, start=block_start, end=block_end)
        features.write_parquet(folder / f"features_{block_start:%Y-%m-%d}.parquet")
        rows += features.height
    seconds = time.perf_counter() - began
    return {"rows": rows, "seconds": seconds, "peak_rss_gib": peak_rss_gib()}


def peak_rss_gib() -> float:
    """Largest resident memory of this process; `ru_maxrss` would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def main() -> None:
    """Write or compute a history, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["write", "compute"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=Simulation.customers)
    parser.add_argument("--terminals", type=int, default=Simulation.terminals)
    parser.add_argument("--radius", type=float, default=Simulation.radius)
    options = parser.parse_args()
    if options.action == "write":
        sizes = {"customers": options.customers, "terminals": options.terminals, "radius": options.radius}
        write(options.folder, Simulation(**sizes))
    else:
        print(json.dumps(compute(options.folder)))


if __name__ == "__main__":
    main()
