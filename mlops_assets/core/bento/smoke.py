"""Asks a served bento its golden requests, and compares the answers with the offline features and scores."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.bento.load_probe import LoadProbe, probe_under_load
from mlops_assets.core.bento.server import served
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record


@dataclass(frozen=True)
class SmokeResult:
    """What a bento answered; made only when every answer was right."""

    requests: int
    """Golden events, each compared in every feature and in its score; none differed in any bit."""
    seconds_to_ready: float
    probe: LoadProbe


def smoke_test(
    bento: BuiltBento,
    golden: GoldenRequests,
    *,
    maximum_p99_ms: float,
    timeout_seconds: float = 120.0,
    python: str = sys.executable,
) -> SmokeResult:
    """Serve `bento` on a free loopback port with the golden states, ask the golden requests, then put it under load.

    Every captured feature and score must equal the offline one to the last bit. Under load the same requests must get
    the same scores, all of them, and 99 of 100 answers within `maximum_p99_ms`. `python` serves.

    timeout_seconds: until it is ready, and for each answer.

    Raises: PackagingError with the end of the server's log when it does not become ready in time, dies, or does
    anything else than that.
    """
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        home = Path(folder)
        store = open_online_store(str(home / "online"), golden.product)
        try:
            store.commit([StateChange(key, ABSENT, content) for key, content in golden.states], [])
            with served(bento, home=home, timeout_seconds=timeout_seconds, python=python) as server:
                _ask(golden, server.url, timeout_seconds=timeout_seconds)
                _compare(golden, [decode_record(one.content) for one in store.captured()])
                probe = probe_under_load(server.url, golden, maximum_p99_ms=maximum_p99_ms)
        finally:
            store.close()
    return SmokeResult(len(golden.events), server.seconds_to_ready, probe)


def _ask(golden: GoldenRequests, url: str, *, timeout_seconds: float) -> None:
    """Send the golden events in their order, the first half one by one and the rest as one request."""
    half = len(golden.events) // 2
    bodies: list[object] = [*golden.events[:half], list(golden.events[half:])]
    with httpx.Client(timeout=timeout_seconds) as client:
        for body in bodies:
            try:
                answer = client.post(f"{url}/predict", json=body)
            except httpx.HTTPError as error:
                raise PackagingError(f"a golden request got no answer: {error!r}") from error
            if answer.status_code != httpx.codes.OK:
                raise PackagingError(f"a golden request got {answer.status_code}: {answer.text[:500]}")


def _compare(golden: GoldenRequests, records: Sequence[PredictionRecord]) -> None:
    if len(records) != len(golden.events):
        raise PackagingError(f"{len(golden.events)} golden requests left {len(records)} captured predictions")
    wrong = [
        index
        for index, record in enumerate(records)
        if (record.features, record.score) != (golden.vectors[index], golden.scores[index])
    ]
    if wrong:
        index = wrong[0]
        raise PackagingError(
            f"golden request {index} got features {records[index].features} and score {records[index].score!r}, "
            f"offline they are {golden.vectors[index]} and {golden.scores[index]!r}; "
            f"{len(wrong)} of {len(records)} differ"
        )
