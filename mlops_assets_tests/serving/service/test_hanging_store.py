"""A Redis that takes connections and never answers: requests are refused, and the loop goes on."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.support.homes.asgi_service import AsgiService, asgi_service

HANGS_SECONDS = 1.0
"""For each question, by the store's URL; the longest that the loop may be held is far less, also on a busy machine."""
HELD_SECONDS = 0.3


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:  # the system accepts for it
        port = server.getsockname()[1]
        yield f"redis://127.0.0.1:{port}/0?socket_timeout={HANGS_SECONDS}"


@pytest.fixture(params=["fraud_detection", "mortality_risk"])
def service(request: pytest.FixtureRequest, hanging: str, tmp_path: Path) -> Iterator[AsgiService]:
    with asgi_service(request.param, tmp_path, store_location=hanging) as opened:
        yield opened


async def longest_answer(service: AsgiService, path: str, status: int, ended: asyncio.Event) -> float:
    """Ask again and again until the event is set; the longest time that an answer took."""
    longest = 0.0
    while not ended.is_set():
        began = time.monotonic()
        assert (await service.ask(path)).status == status
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.01)
    return longest


def test_health_answers_at_once_while_every_other_request_waits_for_the_store(service: AsgiService) -> None:
    event, id_column = service.events[0], service.sampled.product.view.id_column
    one = json.dumps(event).encode()
    many = json.dumps([{**event, id_column: 5_000_000 + number} for number in range(65)]).encode()

    async def play() -> tuple[list[int], list[float]]:
        ended = asyncio.Event()
        health = [
            asyncio.create_task(longest_answer(service, path, status, ended))
            for path, status in (("/livez", 200), ("/readyz", 503), ("/v2/health/ready", 503))
        ]
        asked = [service.ask("/predict", body) for body in (one, one, many)]
        answers = await asyncio.gather(*asked, service.ask("/explain", one), service.ask("/"))
        ended.set()
        return [answer.status for answer in answers], await asyncio.gather(*health)

    statuses, longest = asyncio.run(play())
    has_states = service.sampled.product.view.event_timestamp is not None
    assert statuses == [503, 503, 503, 503 if has_states else 200, 200]
    assert max(longest) < HELD_SECONDS
