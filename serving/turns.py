"""Lets work that is longer than a moment take turns, so that an event loop does one piece of it between two looks at
its connections.
"""

import asyncio
from collections import deque


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

    def _next(self) -> None:
        given = False
        while self._waiting and not given:
            turn = self._waiting.popleft()
            if given := not turn.done():  # one that was given up is done
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
