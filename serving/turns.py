"""Lets work that is longer than a moment take turns, so that an event loop does one piece of it between two looks at
its connections.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from math import inf
from typing import Any, TypeVar

from mlops_assets.core.serving.turn import Steps

_Result = TypeVar("_Result")


class Turns:
    """Gives one turn per round of the running loop, in the order in which turns were asked for."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def mine(self) -> None:
        """Wait for a turn; it lasts until the caller awaits something again."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._next)
        self._waiting.append(turn)
        await turn

    async def through(self, steps: Steps[_Result], *, seconds: float = inf) -> _Result:
        """Take all steps, each in a turn of its own, and return what comes of them.

        What a step waits for is always waited for: it may be a commit, of which others are to know how it ended.

        seconds: after which the steps are given up.

        Raises: TimeoutError for steps that are given up; what a step raises.
        """
        loop = asyncio.get_running_loop()
        given_up = loop.time() + seconds
        awaited = None
        try:
            while awaited is not None or loop.time() < given_up:
                if awaited is not None:
                    await _done(awaited)
                await self.mine()
                awaited = next(steps)
        except StopIteration as done:
            return done.value
        raise TimeoutError

    def _next(self) -> None:
        given = False
        while self._waiting and not given:
            turn = self._waiting.popleft()
            if given := not turn.done():  # one that was given up is done
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)


async def at_once(steps: Steps[_Result]) -> _Result:
    """Take all steps without a pause but for what they wait for, during which the loop goes on."""
    try:
        while True:
            if (awaited := next(steps)) is not None:
                await _done(awaited)
    except StopIteration as done:
        return done.value


async def _done(awaited: Future[Any]) -> None:
    """Wait until it is done, whatever comes of it."""
    loop = asyncio.get_running_loop()
    told = loop.create_future()

    def tell() -> None:
        if not told.done():
            told.set_result(None)

    awaited.add_done_callback(lambda _: loop.call_soon_threadsafe(tell))
    await told
