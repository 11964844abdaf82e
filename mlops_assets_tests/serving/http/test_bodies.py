"""Bodies: read whole and in time, or refused; what is held for them is given back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import pytest

from serving.http import bodies as module
from serving.http.bodies import Bodies, UnfinishedBodyError
from serving.http_errors import RefusedRequestError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


def sent(pieces: Iterable[bytes], *, then: str = "http.request") -> Receive:
    """A client that sends pieces and then ends, goes away, or `waits`."""
    waiting = [*pieces]

    async def receive() -> Mapping[str, Any]:
        if waiting:
            piece = waiting.pop(0)
            return {
                "type": "http.request",
                "body": piece,
                "more_body": bool(waiting) or then != "http.request",
            }
        if then == "waits":
            await asyncio.Event().wait()
        return {"type": then}

    return receive


def read(receive: Receive, *, reader: Bodies | None = None) -> bytes:
    return asyncio.run((reader or Bodies()).read([], receive))


def test_pieces_are_joined_in_their_order() -> None:
    assert read(sent([b"a", b"", b"bc"])) == b"abc"


@pytest.mark.parametrize("pieces", [[b"{}"], []])
def test_a_client_that_goes_away_is_no_end_of_a_body(pieces: list[bytes]) -> None:
    with pytest.raises(RefusedRequestError, match="cut off") as caught:
        read(sent(pieces, then="http.disconnect"))
    assert caught.value.status == 400


@pytest.mark.parametrize("pieces", [[b"{"], [b"{", b'"a"'], []])
def test_a_body_that_does_not_come_in_time_ends_its_connection(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.02)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    with pytest.raises(UnfinishedBodyError, match="was not there") as caught:
        read(sent(pieces, then="waits"))
    assert caught.value.status == 408


def test_all_unfinished_bodies_together_are_bounded_and_what_they_held_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_BODIES", 250)
    monkeypatch.setattr(module, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    reader = Bodies()

    async def together() -> list[int]:
        asked = [reader.read([], sent([b"x" * 100], then="waits")) for _ in range(4)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [one.status for one in answers if isinstance(one, RefusedRequestError)]

    assert asyncio.run(together()) == [408, 408, 503, 503]
    assert read(sent([b"x" * 100, b"y" * 100]), reader=reader) == b"x" * 100 + b"y" * 100


def test_a_body_in_pieces_may_be_no_larger_than_one_in_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_BODY", 10)
    assert read(sent([b"12345", b"67890"])) == b"1234567890"
    for pieces in ([b"12345678901"], [b"12345", b"678901"], [b"12345", b"678901", b"2"]):
        with pytest.raises(RefusedRequestError) as caught:
            read(sent(pieces))
        assert caught.value.status == 413
