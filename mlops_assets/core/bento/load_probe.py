"""Puts a served bento under load for some seconds and judges its answers and their latency."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.errors import PackagingError

CONNECTIONS = 8
SECONDS = 2.0
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class LoadProbe:
    """What a load probe saw; made only when every answer was right and in time."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    """As the client saw it, on the same machine."""


def probe_under_load(
    url: str, golden: GoldenRequests, *, maximum_p99_ms: float, seconds: float = SECONDS
) -> LoadProbe:
    """Send golden events again, over several connections at once, for some seconds.

    An event that was scored before gets the same answer, so every answer is compared.

    Raises: PackagingError for any other answer than the golden score, and for a p99 above `maximum_p99_ms`.
    """
    latencies, took = asyncio.run(_load(url, golden, seconds))
    latencies.sort()
    probe = LoadProbe(
        requests=len(latencies),
        requests_per_second=len(latencies) / took,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[len(latencies) * 99 // 100],
    )
    if probe.p99_ms > maximum_p99_ms:
        raise PackagingError(
            f"99 of 100 answers under load took up to {probe.p99_ms:.0f} ms, release.maximum_p99_ms is "
            f"{maximum_p99_ms:g}"
        )
    return probe


async def _load(url: str, golden: GoldenRequests, seconds: float) -> tuple[list[float], float]:
    latencies: list[float] = []
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS, limits=limits) as client:
        started = time.perf_counter()  # making the client takes a while, too

        async def ask(first: int) -> None:
            index = first
            while time.perf_counter() < started + seconds:
                latencies.append(await _ask(client, golden, index % len(golden.events)))
                index += CONNECTIONS

        try:
            await asyncio.gather(*(ask(first) for first in range(CONNECTIONS)))
        except httpx.HTTPError as error:
            raise PackagingError(f"a request under load got no answer: {error!r}") from error
    return latencies, time.perf_counter() - started


async def _ask(client: httpx.AsyncClient, golden: GoldenRequests, index: int) -> float:
    asked = time.perf_counter()
    answer = await client.post("/predict", json=golden.events[index])
    latency = time.perf_counter() - asked
    if answer.status_code != httpx.codes.OK:
        raise PackagingError(f"a request under load got {answer.status_code}: {answer.text[:500]}")
    if (score := answer.json()["score"]) != golden.scores[index]:
        raise PackagingError(
            f"golden request {index} got score {score!r} under load, offline it is {golden.scores[index]!r}"
        )
    return latency
