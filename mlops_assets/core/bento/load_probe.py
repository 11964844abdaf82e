"""Puts a served bento under load in short turns, beside the champion's bento where there is one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.errors import PackagingError

CONNECTIONS = 8
TURNS = 8
"""Of each server; one more before them warms it up and is not counted."""
SECONDS = 0.25
"""That a turn takes."""
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class LoadProbe:
    """What a load probe saw; made only when every answer was right."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    """As the client saw it, on the same machine."""
    p99_by_turn_ms: tuple[float, ...]
    champion_p99_by_turn_ms: tuple[float, ...] = ()
    """Of the champion's bento, whose turns lay between those of this one; empty where none answered."""
    not_compared_because: str = ""
    """Why there are no turns of a champion."""


@dataclass(frozen=True)
class _Turn:
    latencies: list[float]
    seconds: float


def probe_under_load(
    url: str,
    golden: GoldenRequests,
    *,
    champion_url: str | None = None,
    not_compared_because: str = "there is no champion",
    turns: int = TURNS,
    seconds: float = SECONDS,
) -> LoadProbe:
    """Send golden events again, over several connections at once, in turns of some seconds to this server and to the
    champion's.

    An event that was scored before gets the same answer, so every answer of `url` is compared. Of the champion's
    answers only the time counts; one that fails ends the comparison, and the probe says so.

    golden: the events and their scores. not_compared_because: what the probe says where `champion_url` is None. turns:
    of each server. seconds: that a turn takes, at least one request for each connection.

    Raises: PackagingError for any other answer of `url` than the golden score.
    """
    why = "" if champion_url else not_compared_because
    ours, theirs, failed = asyncio.run(_take_turns(url, golden, champion_url, turns=turns, seconds=seconds))
    latencies = sorted(latency for turn in ours for latency in turn.latencies)
    return LoadProbe(
        requests=len(latencies),
        requests_per_second=len(latencies) / sum(turn.seconds for turn in ours),
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=_p99_ms(latencies),
        p99_by_turn_ms=tuple(_p99_ms(turn.latencies) for turn in ours),
        champion_p99_by_turn_ms=tuple(_p99_ms(turn.latencies) for turn in theirs),
        not_compared_because=why or failed,
    )


def _p99_ms(latencies: Sequence[float]) -> float:
    return 1000 * sorted(latencies)[len(latencies) * 99 // 100]


async def _take_turns(
    url: str, golden: GoldenRequests, champion_url: str | None, *, turns: int, seconds: float
) -> tuple[list[_Turn], list[_Turn], str]:
    """Return the counted turns of both servers, and how the champion's failed."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    failed = ""
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, limits=limits) as client:
        ours: list[_Turn] = []
        theirs: list[_Turn] = []
        for turn in range(turns + 1):
            # Who comes first alternates, so that a machine that becomes slower or faster meets both alike.
            for is_champions in (False, True) if turn % 2 else (True, False):
                if not is_champions:
                    ours.append(await _load(_asking(client, url, golden, is_compared=True), seconds))
                elif champion_url and not failed:
                    try:
                        ask = _asking(client, champion_url, golden, is_compared=False)
                        theirs.append(await _load(ask, seconds))
                    except PackagingError as error:
                        failed = f"the champion's bento failed under load: {error}"
    return ours[1:], [] if failed else theirs[1:], failed


async def _load(ask: Callable[[int], Awaitable[float]], seconds: float) -> _Turn:
    latencies: list[float] = []
    started = time.perf_counter()

    async def connection(first: int) -> None:
        index = first
        while index == first or time.perf_counter() < started + seconds:
            latencies.append(await ask(index))
            index += CONNECTIONS

    try:
        await asyncio.gather(*(connection(first) for first in range(CONNECTIONS)))
    except httpx.HTTPError as error:
        raise PackagingError(f"a request under load got no answer: {error!r}") from error
    return _Turn(latencies, time.perf_counter() - started)


def _asking(
    client: httpx.AsyncClient, url: str, golden: GoldenRequests, *, is_compared: bool
) -> Callable[[int], Awaitable[float]]:
    async def ask(number: int) -> float:
        index = number % len(golden.events)
        asked = time.perf_counter()
        answer = await client.post(f"{url}/predict", json=golden.events[index])
        latency = time.perf_counter() - asked
        if answer.status_code != httpx.codes.OK:
            raise PackagingError(f"a request under load got {answer.status_code}: {answer.text[:500]}")
        if is_compared and (score := answer.json()["score"]) != golden.scores[index]:
            raise PackagingError(
                f"golden request {index} got score {score!r} under load, offline it is {golden.scores[index]!r}"
            )
        return latency

    return ask
