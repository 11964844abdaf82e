"""Claims: a large request on entities that others keep busy gets through, and holds nobody else up for long."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.support.homes.asgi_service import AsgiService, asgi_service
from serving import claims as module
from serving.claims import Claim, Claims
from serving.http_errors import RefusedRequestError
from serving.limits import BATCH_EVENTS, LOST_ROUNDS, REQUEST_SECONDS

IDS = itertools.count(80_000_000)
CLIENTS = 2


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AsgiService]:
    with asgi_service("fraud_detection", tmp_path) as opened:
        yield opened


def bought(service: AsgiService, customer: int, second: int) -> dict[str, object]:
    at = f"2026-01-02T00:{second // 60 % 60:02}:{second % 60:02}Z"
    own = {"transaction_id": next(IDS), "customer_id": customer, "terminal_id": customer}
    return {**service.events[-1], **own, "event_timestamp": at, "known_at": at}


async def keep_busy(service: AsgiService, customer: int, ended: asyncio.Event) -> list[tuple[int, float]]:
    """Send one event after the other; status and end of each answer."""
    answers = []
    for second in itertools.count(60):
        answer = await service.ask("/predict", json.dumps(bought(service, customer, second)).encode())
        answers.append((answer.status, time.monotonic()))
        if ended.is_set():
            return answers
    return answers


def test_a_large_request_on_a_busy_entity_gets_through_while_others_go_on(service: AsgiService) -> None:
    async def play() -> tuple[int, float, int, list[int]]:
        ended = asyncio.Event()
        busy = [asyncio.create_task(keep_busy(service, 900_001, ended)) for _ in range(CLIENTS)]
        beside = asyncio.create_task(keep_busy(service, 900_002, ended))
        await asyncio.sleep(0.05)
        many = [bought(service, 900_001, number % 60) for number in range(BATCH_EVENTS + 16)]
        began = time.monotonic()
        answer = await service.ask("/predict", json.dumps(many).encode())
        took = time.monotonic() - began
        ended.set()
        answers = list(itertools.chain(*await asyncio.gather(*busy, beside)))
        meanwhile = sum(began < at < began + took for _, at in beside.result())
        return answer.status, took, meanwhile, [status for status, _ in answers]

    status, took, meanwhile, others = asyncio.run(play())
    assert status == 200
    assert took < REQUEST_SECONDS
    assert meanwhile > 0
    assert set(others) == {200}
    assert len(service.captured()) == len(others) + BATCH_EVENTS + 16


def lose(claim: Claim, keys: list[str]) -> object:
    """Lose as many rounds as it takes to ask for the claim."""
    told = [claim.lost(keys) for _ in range(LOST_ROUNDS)]
    assert told[:-1] == [None] * (LOST_ROUNDS - 1)
    return told[-1]


def test_one_claim_stands_at_a_time_and_the_next_one_when_it_ends() -> None:
    async def play() -> None:
        ended: list[str] = []
        claims = Claims(lambda: ended.append("released"))
        first, second = Claim(claims), Claim(claims)
        granted, waits = lose(first, ["a", "b"]), lose(second, ["b", "c"])
        assert (granted.done(), waits.done()) == (True, False)  # pyright: ignore[reportAttributeAccessIssue]
        assert [claims.holds([key]) for key in "abc"] == [True, True, False]
        assert first.lost(["a", "b"]) is None, "another worker was first: it still stands"
        first.end()
        assert waits.done()  # pyright: ignore[reportAttributeAccessIssue]
        assert [claims.holds([key]) for key in "abc"] == [False, True, True]
        second.end()
        second.end()
        assert (claims.is_any, ended) == (False, ["released"] * 2)

    asyncio.run(play())


def test_a_claim_ends_by_itself_and_a_round_that_is_lost_then_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 0.0)

    async def play() -> None:
        claims = Claims(lambda: None)
        claim = Claim(claims)
        lose(claim, ["a"])
        while claims.is_any:
            await asyncio.sleep(0)
        with pytest.raises(RefusedRequestError, match="nothing was recorded") as refused:
            claim.lost(["a"])
        assert refused.value.status == 503

    asyncio.run(play())
