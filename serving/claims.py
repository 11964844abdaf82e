"""Lets a large request have its entities for itself for a moment, where others were first again and again.

It holds for the requests of one worker: others of the same entities wait meanwhile, and nobody else does.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from serving.http_errors import RefusedRequestError
from serving.limits import HOLD_SECONDS, LOST_ROUNDS

_REFUSED = (
    "other requests change the entities of this one all the time: send fewer events of an entity at once; nothing was "
    "recorded"
)


class Claims:
    """The claims of a worker's large requests, of which one stands at a time; belongs to one event loop."""

    def __init__(self, released: Callable[[], None]) -> None:
        """`released` is called when a claim has ended."""
        self._released = released
        self._asked: deque[Claim] = deque()
        """The first one stands, the others wait in the order of asking."""

    @property
    def is_any(self) -> bool:
        """Whether a claim stands."""
        return bool(self._asked)

    def holds(self, keys: Iterable[str]) -> bool:
        """Whether a request for these states has to wait."""
        return bool(self._asked) and not self._asked[0].keys.isdisjoint(keys)

    def add(self, claim: "Claim") -> None:
        """Let it stand, now or after those before it."""
        self._asked.append(claim)
        if len(self._asked) == 1:
            self._begin()

    def remove(self, claim: "Claim") -> None:
        """End a claim, whether it stands or waits; one that was ended already is not there."""
        if claim not in self._asked:
            return
        stood = self._asked[0] is claim
        self._asked.remove(claim)
        if stood:
            if self._asked:
                self._begin()
            self._released()

    def _begin(self) -> None:
        self._asked[0].begin()


class Claim:
    """What one large request asks for after lost rounds; `end` it in any case."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._lost = 0
        self._granted: Future[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._is_over = False
        self.keys: frozenset[str] = frozenset()
        """Of the states that it is for; empty before it is asked for."""

    def lost(self, keys: Sequence[str]) -> Future[None] | None:
        """Count a lost round; from the LOST_ROUNDS-th on the claim is asked for, and what is returned waited for.

        Raises: RefusedRequestError with 503 when the claim stood HOLD_SECONDS long, and this round was lost, too.
        """
        self._lost += 1
        if self._is_over:
            raise RefusedRequestError(503, _REFUSED)
        if self._lost < LOST_ROUNDS or self._granted is not None:
            return None
        self.keys, self._granted = frozenset(keys), Future()
        self._claims.add(self)
        return self._granted

    def begin(self) -> None:
        """Stand from now on, for HOLD_SECONDS at most."""
        self._expiry = asyncio.get_running_loop().call_later(HOLD_SECONDS, self.end)
        if self._granted is not None:
            self._granted.set_result(None)

    def end(self) -> None:
        """Let others go on."""
        self._is_over = True
        if self._expiry is not None:
            self._expiry.cancel()
        self._claims.remove(self)
