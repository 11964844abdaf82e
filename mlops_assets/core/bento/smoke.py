"""Asks a served bento its golden requests, and compares the answers with the offline features and scores."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.bento.latency import LatencyLimits, LatencyVerdict, judge_latency
from mlops_assets.core.bento.load_probe import LoadProbe, probe_under_load
from mlops_assets.core.bento.server import served
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.serving.manifest import MANIFEST_FILE, BentoManifest
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record

SHOWN_OF_FAILURE = 200
"""Characters of why the champion's bento does not answer; the rest is its log."""


@dataclass(frozen=True)
class SmokeResult:
    """What a bento answered; made only when every answer was right."""

    requests: int
    """Golden events, each compared in every feature and in its score; none differed in any bit."""
    seconds_to_ready: float
    probe: LoadProbe
    latency: LatencyVerdict
    """Pass or inconclusive."""


def smoke_test(
    bento: BuiltBento,
    golden: GoldenRequests,
    *,
    limits: LatencyLimits,
    champion: BuiltBento | None = None,
    timeout_seconds: float = 120.0,
    python: str = sys.executable,
) -> SmokeResult:
    """Serve `bento` on a free loopback port with the golden states, ask the golden requests, then put it under load.

    Every captured feature and score must equal the offline one to the last bit. Under load the same requests must get
    the same scores, all of them, and `limits` says how long that may take. `python` serves.

    golden: the requests, and what they must get. champion: the bento that answers today, put under load in turns with
    this one; None where there is none. timeout_seconds: until a server is ready, and for each answer.

    Raises: PackagingError with the end of the server's log when it does not become ready in time, dies, does anything
    else than that, or is too slow beyond doubt.
    """
    seconds = timeout_seconds
    with (
        tempfile.TemporaryDirectory(prefix="smoke-") as folder,
        _loaded_store(Path(folder), golden) as captured,
        served(bento, home=Path(folder), timeout_seconds=seconds, python=python) as server,
    ):
        _ask(golden, server.url, timeout_seconds=seconds)
        _compare(golden, captured())
        with _champion_url(bento, champion, golden, timeout_seconds=seconds) as (champion_url, why):
            probe = probe_under_load(server.url, golden, champion_url=champion_url, not_compared_because=why)
        latency = judge_latency(probe, limits)
        if latency.verdict == "fail":
            raise PackagingError(latency.reason)
    return SmokeResult(len(golden.events), server.seconds_to_ready, probe, latency)


@contextlib.contextmanager
def _loaded_store(home: Path, golden: GoldenRequests) -> Iterator[Callable[[], list[PredictionRecord]]]:
    """Put the golden states into the online store of a home; yield what reads the captured records there."""
    store = open_online_store(str(home / "online"), golden.product)
    try:
        store.commit([StateChange(key, ABSENT, content) for key, content in golden.states], [])
        yield lambda: [decode_record(one.content) for one in store.captured()]
    finally:
        store.close()


@contextlib.contextmanager
def _champion_url(
    bento: BuiltBento, champion: BuiltBento | None, golden: GoldenRequests, *, timeout_seconds: float
) -> Iterator[tuple[str | None, str]]:
    """Serve the champion's bento with the golden states while the block runs, by this interpreter.

    Yields its URL, or None and why it cannot be compared.
    """
    if champion is None:
        yield None, "nothing is released yet, or the released version has no bento here"
        return
    if reason := _incomparable(bento, champion):
        yield None, reason
        return
    # Closed by hand: a failure of the block is the other bento's, and is not told with this one's log.
    running = contextlib.ExitStack()
    try:
        try:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="smoke-champion-")))
            running.enter_context(_loaded_store(folder, golden))
            server = served(champion, home=folder, timeout_seconds=timeout_seconds)
            url, why = running.enter_context(server).url, ""
            _ask(golden, url, timeout_seconds=timeout_seconds)
        except PackagingError as error:
            url, why = None, f"the champion's bento does not answer here: {str(error)[:SHOWN_OF_FAILURE]}"
        yield url, why
    finally:
        running.close()


def _incomparable(bento: BuiltBento, champion: BuiltBento) -> str:
    """Say why no answers of the champion's bento can stand beside this one's; empty when they can."""
    if champion.tag == bento.tag:
        return "this bento is the champion's own"
    try:
        views = [
            BentoManifest.read(one.path / "src" / MANIFEST_FILE).view_digest for one in (bento, champion)
        ]
    except PackagingError as error:
        return f"the champion's bento {champion.tag} is of another time: {error}"
    if views[0] != views[1]:
        return f"the champion's bento {champion.tag} has another feature view, whose states are not at hand"
    return ""


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
