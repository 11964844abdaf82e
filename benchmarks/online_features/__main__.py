"""One request's 15 published fraud features online: ours, computed exactly, against Feast's precomputed values.

`python -m benchmarks.online_features [--customers 5000] [--terminals 10000] [--requests 1500] [--rounds 5]`. Needs
`make peers-feast`. Ours reads two states and computes the features as of the request's own time; its commit, with the
prediction's record, is timed too. Feast answers `get_online_features` for 15 values of the same two entities, those of
each entity's newest event before the day began, as a daily materialization leaves them. The customer's windows
include the request itself, which no precomputed value can. Both use SQLite, then the same real Redis, in turns, for
the same requests: those of one day, in their order. Afterwards every vector of ours is compared bit by bit with the
offline executor's, and Feast's values with ours. Last line: one JSON object, with speedup_vs_feast_sqlite and _redis
(Feast's median time over ours to read and compute, median of the rounds; `spread` has minimum and maximum),
speedup_with_commit_vs_feast_sqlite and _redis (over ours to read, compute and commit, which keeps the state up to date;
Feast's time has no part of its materialization), p99_ms_sqlite and _redis (ours), feast_stale_share (share of the 12
window values that differ), and of it feast_stale_share_with_request (windows that hold the request itself, as no
precomputed value can) and feast_stale_share_without_request (the others, which differ where the day brought news).
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.features.stream import simulated_events
from benchmarks.features.views import PUBLISHED_VIEW
from benchmarks.result import print_json, print_table, ratio_with_spread
from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import ALLOWED_LATENESS
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, OnlineStore, StateChange
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets.products.fraud_detection.simulator import Simulation

PEER_PYTHON = Path(".venv-peers-feast/bin/python")
PEER = Path(__file__).with_name("feast_peer.py")
DAY = timedelta(days=1)
HISTORY = PUBLISHED_VIEW.lookback + ALLOWED_LATENESS
STATES_PER_COMMIT = 500
WARM_UP = 200
"""Requests of each round that are answered but not timed."""
_STORES = ("sqlite", "redis")
Event = Mapping[str, Value]


@dataclass(frozen=True)
class Day:
    """The history before a day, and the day's requests."""

    start: datetime
    events: pl.DataFrame
    labels: pl.DataFrame
    requests: Sequence[Event]


def simulated_day(customers: int, terminals: int, requests: int) -> Day:
    """The first requests of the day after a history as long as the windows reach."""
    simulation = Simulation(customers=customers, terminals=terminals)
    first = HISTORY // DAY
    days = [simulated_events(simulation, day) for day in range(first + 1)]
    start = datetime.combine(simulation.start_date + first * DAY, datetime.min.time(), UTC)
    asked = days[-1][0].sort("event_timestamp", "transaction_id").head(requests)
    as_integers = asked.with_columns(pl.col("event_timestamp", "known_at").to_physical())
    columns = [column for column in PUBLISHED_VIEW.input_columns if column != "known_at"]
    events, labels = (pl.concat([day[at] for day in days]) for at in (0, 1))
    is_history = pl.col("event_timestamp") < start
    return Day(
        start,
        pl.concat([events.filter(is_history), asked]),
        labels,
        as_integers.select(columns).to_dicts(),
    )


@dataclass
class Timings:
    """Seconds per timed request, one list per round."""

    answer: list[list[float]] = field(default_factory=list)
    commit: list[list[float]] = field(default_factory=list)

    def medians(self, *, with_commit: bool = False) -> list[float]:
        """The median of each round."""
        return [median(self._seconds(at, with_commit=with_commit)) for at in range(len(self.answer))]

    def _seconds(self, at: int, *, with_commit: bool) -> list[float]:
        answer = self.answer[at]
        return [a + c for a, c in zip(answer, self.commit[at], strict=True)] if with_commit else answer

    def quantile(self, share: float, *, with_commit: bool = False) -> float:
        """A quantile over all rounds, in milliseconds."""
        rounds = range(len(self.answer))
        seconds = sorted(one for at in rounds for one in self._seconds(at, with_commit=with_commit))
        return 1e3 * seconds[min(int(share * len(seconds)), len(seconds) - 1)]


class Ours:
    """The online executor on one store."""

    def __init__(self, store: OnlineStore, day: Day) -> None:
        self.features, self._store = OnlineFeatures(PUBLISHED_VIEW), store
        history = day.events.filter(pl.col("event_timestamp") < day.start)
        # Labels become known all day long. They lie in the states from its beginning, each with its own known time.
        states = build_states(PUBLISHED_VIEW, history, day.labels, as_of=day.start + DAY)
        changes = [StateChange(key, ABSENT, content) for key, content in states]
        for start in range(0, len(changes), STATES_PER_COMMIT):
            store.commit(changes[start : start + STATES_PER_COMMIT], [])
        self._empty = store.read([self.features.empty_key])[0].content
        self.timings, self.vectors = Timings(), []

    def ask(self, requests: Sequence[Event]) -> None:
        """Answer each request, capture it, and time both."""
        answers, commits = [], []
        for event in requests:
            known_at = int(event["event_timestamp"] or 0)
            began = time.perf_counter()
            keys = self.features.keys(event)
            states = self._store.read(keys)
            answer = self.features.answer(
                event, [state.content for state in states], known_at=known_at, empty=self._empty
            )
            answered = time.perf_counter()
            changes = [
                StateChange(key, state.version, content)
                for key, state, content in zip(keys, states, answer.states or (), strict=True)
                if content is not None
            ]
            record = PredictionRecord(
                prediction_id=str(event["transaction_id"]),
                event_id=int(event["transaction_id"] or 0),
                request=dict(event),
                event_timestamp=known_at,
                known_at=answer.known_at,
                received_at=known_at,
                version=1,
                role="champion",
                plan_sequence=1,
                features=answer.features,
            )
            if not self._store.commit(changes, [encode_record(record)]):
                raise SystemExit("a state changed under the only client")
            commits.append(time.perf_counter() - answered)
            answers.append(answered - began)
            self.vectors.append(answer.features)
        self.timings.answer.append(answers[WARM_UP:])
        self.timings.commit.append(commits[WARM_UP:])


class Feast:
    """Feast on one store, in a process of its own interpreter."""

    def __init__(self, folder: Path, online: str, values: Mapping[str, Path]) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            [PEER_PYTHON, PEER, folder, online], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._send({entity: str(path) for entity, path in values.items()})
        self.timings, self.values = Timings(), []

    def _send(self, message: object) -> dict:
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("Feast's process has no pipes")
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"Feast's process ended with {self._process.wait()}: see its message above")
        return json.loads(answer)

    def ask(self, requests: Sequence[Event]) -> None:
        """Let it answer each request."""
        asked = [{entity: event[entity] for entity in ("customer_id", "terminal_id")} for event in requests]
        answer = self._send(asked)
        self.timings.answer.append(answer["seconds"][WARM_UP:])
        self.values += answer["values"]

    def close(self) -> None:
        """End its process."""
        self._process.communicate()


def materialized(day: Day, folder: Path) -> dict[str, Path]:
    """Per entity a file of the features of its newest event before the day: together 15 values."""
    history = day.events.filter(pl.col("event_timestamp") < day.start)
    rows = compute_features(PUBLISHED_VIEW, history, day.labels).join(
        history.select("transaction_id", "customer_id", "terminal_id"), on="transaction_id"
    )
    paths = {}
    for entity in ("customer_id", "terminal_id"):
        is_terminal = pl.Series([name.startswith("terminal") for name in PUBLISHED_VIEW.feature_names])
        names = pl.Series(PUBLISHED_VIEW.feature_names).filter(
            is_terminal if entity == "terminal_id" else ~is_terminal
        )
        newest = rows.sort("event_timestamp").unique(entity, keep="last")
        paths[entity] = folder / f"{entity}.parquet"
        columns = [pl.col(name).cast(pl.Float64) for name in names]
        newest.select(entity, "event_timestamp", *columns).write_parquet(paths[entity])
    return paths


def check_exact(day: Day, vectors: Sequence[tuple[float | None, ...]]) -> None:
    """Exit when a vector differs in a bit from the offline executor's."""
    computed = compute_features(PUBLISHED_VIEW, day.events, day.labels, start=day.start)
    names = PUBLISHED_VIEW.feature_names
    expected = dict(
        computed.select("transaction_id", pl.concat_list(pl.col(names).cast(pl.Float64))).iter_rows()
    )
    for event, vector in zip(day.requests[: len(vectors)], vectors, strict=True):
        if list(map(repr, vector)) != list(map(repr, expected[event["transaction_id"]])):
            raise SystemExit(f"transaction {event['transaction_id']}: online and offline features differ")


def staleness(
    vectors: Sequence[tuple[float | None, ...]], values: Sequence[Mapping[str, float | None]]
) -> pl.DataFrame:
    """Per window feature: how many of Feast's values differ from the exact ones, and by how much where they do."""
    windows = [
        (f.feature_name(w), f.includes_current) for f in PUBLISHED_VIEW.window_features for w in f.windows
    ]
    rows = []
    for name, has_request in windows:
        at = PUBLISHED_VIEW.feature_names.index(name)
        exact = pl.Series([vector[at] for vector in vectors], dtype=pl.Float64)
        stale = pl.Series([value[name] for value in values], dtype=pl.Float64)
        differs = ~exact.eq_missing(stale)
        apart = (exact - stale).abs().filter(differs)
        rows.append(
            {
                "feature": name,
                "has_request": has_request,
                "stale": differs.mean(),
                "missing": stale.null_count() / stale.len(),
            }
            | {"median_apart": apart.median(), "largest_apart": apart.max(), "mean_exact": exact.mean()}
        )
    return pl.DataFrame(rows)


def stale_shares(stale: pl.DataFrame) -> dict[str, float]:
    """The mean share of stale values over all windows, over those that hold the request, and over the others."""
    has_request = pl.col("has_request")
    return stale.select(
        feast_stale_share=pl.col("stale").mean(),
        feast_stale_share_with_request=pl.col("stale").filter(has_request).mean(),
        feast_stale_share_without_request=pl.col("stale").filter(~has_request).mean(),
    ).row(0, named=True)


@contextmanager
def contenders(day: Day, folder: Path) -> Iterator[tuple[dict[str, Ours], dict[str, Feast]]]:
    """Both contenders on both stores, loaded."""
    with ExitStack() as closing:
        redis = RedisServer(folder)
        redis.start()
        closing.callback(redis.stop)
        values = materialized(day, folder)
        ours, feast = {}, {}
        for name, location in (("sqlite", str(folder / "ours")), ("redis", redis.url)):
            store = open_online_store(location, "fraud_detection")
            closing.callback(store.close)
            ours[name] = Ours(store, day)
            online = "sqlite" if name == "sqlite" else f"127.0.0.1:{redis.port}"
            feast[name] = Feast(folder / f"feast_{name}", online, values)
            closing.callback(feast[name].close)
        yield ours, feast


def main() -> None:
    """Run the rounds and print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=1500, help=f"per round; {WARM_UP} of them warm up")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not PEER_PYTHON.exists():
        raise SystemExit(f"{PEER_PYTHON} is missing: run make peers-feast")
    day = simulated_day(options.customers, options.terminals, options.requests * options.rounds)
    size = len(day.requests) // options.rounds
    if size <= WARM_UP:
        raise SystemExit(f"{len(day.requests)} requests a day are too few for {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder, contenders(day, Path(folder)) as (ours, feast):
        for start in range(0, size * options.rounds, size):
            for name in _STORES:
                ours[name].ask(day.requests[start : start + size])
                feast[name].ask(day.requests[start : start + size])
    for name in _STORES:
        check_exact(day, ours[name].vectors)
    report(ours, feast)


def report(ours: Mapping[str, Ours], feast: Mapping[str, Feast]) -> None:
    """Print the tables and the last line."""
    contender_rows, result, spread = [], {}, {}
    for name in _STORES:
        mine, theirs = ours[name].timings, feast[name].timings
        for label, timings, with_commit in (
            ("ours, read and compute", mine, False),
            ("ours, read, compute and commit", mine, True),
            ("Feast get_online_features", theirs, False),
        ):
            quantiles = [timings.quantile(share, with_commit=with_commit) for share in (0.5, 0.99)]
            contender_rows.append([name, label, *quantiles])
        key = f"speedup_vs_feast_{name}"
        result[key], spread[key] = ratio_with_spread(theirs.medians(), mine.medians())
        key = f"speedup_with_commit_vs_feast_{name}"
        result[key], spread[key] = ratio_with_spread(theirs.medians(), mine.medians(with_commit=True))
        result[f"p99_ms_{name}"] = mine.quantile(0.99)
        result[f"p50_ms_{name}"] = mine.quantile(0.5)
        result[f"p50_ms_with_commit_{name}"] = mine.quantile(0.5, with_commit=True)
    stale = staleness(ours["sqlite"].vectors, feast["sqlite"].values)
    requests = len(ours["sqlite"].vectors)
    print_table(
        f"15 features of {requests:,} requests, milliseconds",
        ["store", "contender", "p50", "p99"],
        contender_rows,
    )
    print_table(
        "Feast's values at request time: share that differs from the exact ones, and by how much",
        [
            "feature",
            "holds the request",
            "stale",
            "missing",
            "median difference",
            "largest",
            "mean of the exact",
        ],
        stale.rows(),
    )
    result |= stale_shares(stale)
    print_json({"requests": requests} | result | {"spread": spread})


if __name__ == "__main__":
    main()
