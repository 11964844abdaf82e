"""Served feature vectors against the offline executor's, bit for bit, for both products; and seeded skews, each to be
found and named.

`python -m benchmarks.parity [--requests 100000] [--cohort-requests 9105] [--workers 3] [--store URL]`. The stream of
`benchmarks.parity.stream` goes through the code that serves (state, features, routing to two versions, scores, capture)
in several processes on one store, SQLite or `--store redis://…`; each midnight `online_features` brings the state up to
what the lakehouse learned; halfway all processes end, and new ones go on. Then `served_predictions` and
`parity_report` are materialized. The same on a smaller stream, wrong in one of five ways each time. Last line: one JSON
object with requests (scored events), mismatches (vectors or scores with another bit), seeded_skews and
seeded_skews_caught (found, and named right as the main cause).
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.parity.home import Answered, ParityHome, answer, cohort_home, fraud_home, midnight
from benchmarks.parity.skews import SKEWS, Skew
from benchmarks.parity.stream import Request, Stream, cohort_requests, requests_by_day
from benchmarks.parity.worker import answer_chunk, start_worker
from benchmarks.result import print_json, print_table
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.times import MICROSECOND
from mlops_assets.products.fraud_detection.simulator import Simulation

HISTORY_DAYS = 52
"""Days before the first request: the windows' reach of 37 days, and two weeks of the versions' training."""
EVENTS_PER_CUSTOMER_DAY = 1.9
CHUNK = 50
"""Requests that one task of a worker answers."""
SKEW_EVENTS, SKEW_DAYS = 3_000, 4


@dataclass(frozen=True)
class Outcome:
    """What one stream came to."""

    scored: int
    """Events that were acknowledged, those that were sent twice included."""
    refused: int
    """Requests that were refused; a correct service refuses none of these."""
    vectors: int
    mismatches: int
    lost: int
    """Acknowledged predictions that are not in the table."""
    seconds: float
    summary: str
    is_passed: bool
    diagnosis: str


def stream_of(events: int, days: int) -> Stream:
    """A stream with about so many served events on so many days."""
    customers = max(30, round(events / days / EVENTS_PER_CUSTOMER_DAY))
    simulation = Simulation(
        customers=customers,
        terminals=2 * customers,
        days=HISTORY_DAYS + days,
        radius=5.0 * (5000 / customers) ** 0.5,
    )
    return Stream(simulation, simulation.start_date + timedelta(days=HISTORY_DAYS))


def serve(
    home: ParityHome, by_day: Mapping[date, Sequence[Request]], *, workers: int, progress: Progress
) -> Answered:
    """Answer the requests day by day, with a load of the state each midnight and new processes halfway."""
    answered = Answered([])
    days = sorted(by_day)
    half = len(days) // 2
    task = progress.add_task(f"{home.product.name}: requests", total=sum(map(len, by_day.values())))
    for part in filter(None, (days[:half], days[half:])):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=start_worker, initargs=(home,)
        ) as pool:
            for day in part:
                if home.product.view.event_timestamp and day != days[0]:
                    home.load_state(midnight(day) + MICROSECOND)
                for some in pool.map(answer_chunk, _chunks(by_day[day])):
                    answered += some
                    progress.advance(task, CHUNK)
    return answered


def _chunks(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    for start in range(0, len(requests), CHUNK):
        yield requests[start : start + CHUNK]


def serve_skewed(home: ParityHome, by_day: Mapping[date, Sequence[Request]], skew: Skew) -> Answered:
    """Answer the requests in this process, wrong in one way."""
    wrong = skew.home(home)
    scoring = skew.scoring(wrong.scoring())
    answered = Answered([])
    for day in sorted(by_day):
        if skew.loads():
            wrong.load_state(midnight(day) + MICROSECOND)
        answered += answer(scoring, by_day[day])
    return answered


def outcome(home: ParityHome, answered: Answered, days: Sequence[date], began: float) -> Outcome:
    """Collect what was captured, and compare it."""
    captured = home.collect()
    rows, metadata, is_passed = home.parity(days)
    worst = rows.filter(pl.col("kind") == "feature").sort("different", descending=True)
    return Outcome(
        scored=len(answered.prediction_ids),
        refused=answered.refused,
        vectors=int(metadata["compared_vectors"].value),  # pyright: ignore[reportArgumentType]
        mismatches=int(metadata["different_vectors"].value),  # pyright: ignore[reportArgumentType]
        lost=len(set(answered.prediction_ids) - set(captured["prediction_id"])),
        seconds=time.perf_counter() - began,
        summary=str(metadata["summary"].value),
        is_passed=is_passed,
        diagnosis=str(worst["diagnosis"][0]) if worst.height else "",
    )


def run_fraud(root: Path, options: argparse.Namespace, progress: Progress) -> Outcome:
    """The long stream of the product with state."""
    days = max(2, min(12, options.requests // 1_000))
    stream = stream_of(options.requests, days)
    began = time.perf_counter()
    home = fraud_home(root / "fraud", stream, store_location=options.store)
    by_day = requests_by_day(
        home.product, stream.transactions(), first_day=stream.first_day, seed=stream.seed
    )
    answered = serve(home, by_day, workers=options.workers, progress=progress)
    return outcome(home, answered, stream.days, began)


def run_cohort(root: Path, options: argparse.Namespace, progress: Progress) -> Outcome:
    """The product without a time axis."""
    began = time.perf_counter()
    home = cohort_home(root / "cohort", rows=options.cohort_requests, store_location=options.store)
    events = home.tables.read(home.product.name, "events")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    requests = cohort_requests(home.product, events, seed=0, start=start)
    half = len(requests) // 2
    by_day = {start.date(): requests[:half], start.date() + timedelta(days=1): requests[half:]}
    answered = serve(home, by_day, workers=options.workers, progress=progress)
    return outcome(home, answered, [], began)


def run_skews(
    root: Path, stream: Stream, progress: Progress, skews: Iterable[Skew] = SKEWS
) -> dict[str, Outcome]:
    """A short stream, wrong in one way each time."""
    original = fraud_home(root / "skew", stream)
    by_day = requests_by_day(
        original.product, stream.transactions(), first_day=stream.first_day, seed=stream.seed
    )
    outcomes = {}
    for skew in progress.track(list(skews), description="seeded skews"):
        began = time.perf_counter()
        home = original.copy(root / f"skew_{skew.name.replace(' ', '_')}")
        outcomes[skew.name] = outcome(home, serve_skewed(home, by_day, skew), stream.days, began)
    return outcomes


def is_caught(name: str, found: Outcome) -> bool:
    """Whether the report failed and names this skew as the main cause."""
    return found.mismatches > 0 and not found.is_passed and found.diagnosis.startswith(f"{name}:")


def main() -> None:
    """Run both streams and the skews, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--requests", type=int, default=100_000, help="events served of fraud_detection, about"
    )
    parser.add_argument("--cohort-requests", type=int, default=9_105, help="patients of mortality_risk")
    parser.add_argument("--workers", type=int, default=3, help="processes that serve on one store")
    parser.add_argument("--store", help="redis:// URL instead of SQLite files")
    options = parser.parse_args()
    let_waiting_threads_sleep()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        tempfile.TemporaryDirectory(prefix="parity-") as folder,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        streams = {
            "fraud_detection": run_fraud(Path(folder), options, progress),
            "mortality_risk": run_cohort(Path(folder), options, progress),
        }
        skewed = run_skews(Path(folder), stream_of(SKEW_EVENTS, SKEW_DAYS), progress)
    print_table(
        "Served against derived offline",
        [
            "stream",
            "events scored",
            "vectors compared",
            "different",
            "acknowledged, not captured",
            "refused",
            "seconds",
        ],
        [
            [name, o.scored, o.vectors, o.mismatches, o.lost, o.refused, o.seconds]
            for name, o in streams.items()
        ],
    )
    caught = {name: is_caught(name, found) for name, found in skewed.items()}
    print_table(
        "Seeded skews",
        ["skew", "vectors", "different", "diagnosis of the feature that differs most", "caught"],
        [[name, o.vectors, o.mismatches, o.diagnosis, caught[name]] for name, o in skewed.items()],
    )
    print_json(
        {
            "requests": sum(o.scored for o in streams.values()),
            "mismatches": sum(o.mismatches + o.lost for o in streams.values()),
            "vectors_compared": sum(o.vectors for o in streams.values()),
            "acknowledged_not_captured": sum(o.lost for o in streams.values()),
            "seeded_skews": len(skewed),
            "seeded_skews_caught": sum(caught.values()),
        }
    )


if __name__ == "__main__":
    main()
