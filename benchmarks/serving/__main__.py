"""Requests per second of a served bento with everything on, against servers that only predict a ready vector.

`python -m benchmarks.serving [--customers 5000] [--terminals 10000] [--rounds 5] [--seconds 8]`. Needs
`make peers-mlserver`, wrk, and two cores: one for the server under load, one for the load. Ours validates each event,
computes the features of the product's whole model from the states of its customer and terminal as of its own time,
routes, scores, and captures state and prediction in one atomic step in SQLite, before it answers. The peers have the
same booster, and get ready vectors. All servers run all the time; rounds go in turns. Last line: one JSON object;
`ratio_vs_…` are medians over rounds, `spread` has their minimum and maximum; `p99_ms_at_half_load` is ours at half of
its own requests per second, in an open loop.
"""

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from benchmarks.result import print_json, print_table, ratio_with_spread
from benchmarks.serving.load import Load, full_load, latencies_at_rate
from benchmarks.serving.servers import PEERS, Contender, ours, peer
from benchmarks.serving.setup import Served, prepare
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.prediction_record import decode_record

IDS_PER_ROUND = 10_000_000
FIRST_ID = 900_000_000_000_000
CHECKED = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-") as name, ExitStack() as stack:
        folder = Path(name)
        served = prepare(
            folder, customers=options.customers, terminals=options.terminals, now=datetime.now(UTC)
        )
        mine = stack.enter_context(ours(served, folder / "ours"))
        peers = [stack.enter_context(peer(one, served, folder / one)) for one in options.peers]
        _check_peers(peers, served)
        loads = _rounds([mine, *peers], options)
        _check_ours(served)
        rate = statistics.median(load.requests_per_second for load in loads[mine.name]) / 2
        bodies = _events(options.customers, options.terminals)
        latencies = latencies_at_rate(mine, bodies, rate=rate, seconds=3 * options.seconds)
    _report(mine, loads, latencies, rate)


def _rounds(contenders: list[Contender], options: argparse.Namespace) -> dict[str, list[Load]]:
    loads: dict[str, list[Load]] = {contender.name: [] for contender in contenders}
    for number in range(options.rounds + 1):
        for contender in contenders:
            load = full_load(
                contender,
                seconds=options.seconds if number else 2,
                customers=options.customers,
                terminals=options.terminals,
                first_id=FIRST_ID + number * IDS_PER_ROUND,
            )
            if number:  # the first round warms up
                loads[contender.name].append(load)
    return loads


def _events(customers: int, terminals: int) -> Iterator[str]:
    draw = np.random.default_rng(0)
    for number in itertools.count():
        now = datetime.now(UTC)
        yield (
            f'{{"transaction_id":{2 * FIRST_ID + number},"event_timestamp":"{now:%Y-%m-%dT%H:%M:%S.%fZ}",'
            f'"customer_id":{draw.integers(customers)},"terminal_id":{draw.integers(terminals)},'
            f'"amount_usd":{draw.uniform(0, 200):.2f}}}'
        )


def _check_peers(peers: list[Contender], served: Served) -> None:
    """Compare answers of each peer with the booster's; vectors without missing values, which not all can carry."""
    raw = served.model.booster.predict(served.vectors, num_threads=1)
    expected = np.asarray(raw, dtype=np.float64)
    whole = np.flatnonzero(~np.isnan(served.vectors).any(axis=1))[:CHECKED]
    for contender in peers:
        for row in whole:
            answer = httpx.post(
                f"http://127.0.0.1:{contender.port}{contender.path}",
                content=contender.bodies[int(row)],
                headers={"Content-Type": "application/json"},
            )
            if answer.status_code != httpx.codes.OK or contender.score(answer) != expected[row]:
                raise SystemExit(
                    f"{contender.name} answers {answer.text[:200]!r}, the booster {expected[row]!r}"
                )


def _check_ours(served: Served) -> None:
    """Compare captured scores with the model's for the captured vectors."""
    store = open_online_store(str(served.store_folder), served.product.name)
    try:
        records = [decode_record(one.content) for one in store.captured(limit=1000)]
    finally:
        store.close()
    matrix = np.array([record.features for record in records], dtype=np.float64)
    scores = served.model.predict_matrix(matrix)
    if not records or any(record.score != score for record, score in zip(records, scores, strict=True)):
        raise SystemExit("captured scores are not the model's")


def _report(mine: Contender, loads: dict[str, list[Load]], latencies: list[float], rate: float) -> None:
    own = [load.requests_per_second for load in loads[mine.name]]
    rows, result, spread = [], {"requests_per_second": statistics.median(own)}, {}
    for name, runs in loads.items():
        theirs = [load.requests_per_second for load in runs]
        ratio, limits = ratio_with_spread(own, theirs)
        p50, p99 = (statistics.median(getattr(load, at) for load in runs) for at in ("p50_ms", "p99_ms"))
        rows.append((name, statistics.median(theirs), p50, p99, ratio))
        if name != mine.name:
            result[f"ratio_vs_{name}"], spread[f"ratio_vs_{name}"] = ratio, limits
    print_table("one server core", ("server", "requests/s", "p50 ms", "p99 ms", "ours / this"), rows)
    at = np.percentile(np.array(latencies) * 1000, [50, 99, 99.9, 100])
    print_table(
        "ours at half load",
        ("requests/s", "p50 ms", "p99 ms", "p99.9 ms", "largest ms"),
        [(rate, *(float(value) for value in at))],
    )
    result["p99_ms_at_half_load"] = float(at[1])
    print_json({**result, "spread": {**spread, "requests_per_second": [min(own), max(own)]}})


if __name__ == "__main__":
    main()
