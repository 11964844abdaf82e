"""How fast the fraud product simulates its transactions, at the published size.

python -m benchmarks.simulator [--repeat N]
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta

from benchmarks.result import print_json, print_table
from mlops_assets.products.fraud_detection.simulator import Simulation, simulate


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all days, each time with another seed, population included; print transactions per second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    rates, table = [], []
    for seed in range(parser.parse_args(arguments).repeat):
        simulation = Simulation(seed=seed)
        started = time.perf_counter()
        frame = simulate(
            simulation,
            start=simulation.start_date,
            end=simulation.start_date + timedelta(days=simulation.days),
        )
        seconds = time.perf_counter() - started
        rates.append(frame.height / seconds)
        table.append([seed, frame.height, int(frame["is_fraud"].sum()), seconds, rates[-1]])
    print_table(
        "Simulated transactions",
        ["seed", "transactions", "frauds", "seconds", "transactions per second"],
        table,
    )
    print_json({"transactions_per_second": statistics.median(rates), "spread": [min(rates), max(rates)]})


if __name__ == "__main__":
    main()
