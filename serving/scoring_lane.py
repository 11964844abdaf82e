"""Joins the requests that arrive at the same moment into one read and one commit of the store.

A worker is one event loop. Small requests that are ready in the same turn of the loop share one atomic step, so that a
busy worker commits less often than it answers, and an idle one never waits. An embedded store is called on the loop's
own thread: handing a call of 0.1 ms to another thread and back would take longer than the call. One that answers over a
network is called on a thread of its own, and the loop goes on meanwhile.

Scoring holds the loop for a slice at a time, and goes on in the next turn. A large request is scored by itself, and
small ones go on meanwhile: where they change one of its entities first, it computes anew what that changes. After some
such rounds it has its entities for itself for a moment (`claims`), so that it comes to an end.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial

from mlops_assets.core.errors import OnlineStoreError, ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.serving.outcome import (
    Outcome,
    ScoredEvent,
    ScoringRequest,
    UnansweredError,
    captured_of,
)
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets.core.serving.turn import Steps
from serving.claims import Claim, Claims
from serving.http_errors import RefusedRequestError
from serving.limits import BATCH_EVENTS, LARGE_AT_ONCE, MAXIMUM_LARGE, MAXIMUM_WAITING, REQUEST_SECONDS
from serving.metrics import ServingMetrics
from serving.shadow import ShadowLane
from serving.store_breaker import StorePausedError
from serving.turns import Turns

_log = logging.getLogger(__name__)
_Waiting = tuple[ScoringRequest, "asyncio.Future[list[ScoredEvent]]"]


class ScoringLane:
    """Scores small requests in the order of their arrival, large ones beside them; belongs to one event loop."""

    def __init__(self, scoring: OnlineScoring, metrics: ServingMetrics, shadow: ShadowLane) -> None:
        self.scoring = scoring
        self.turns = Turns()
        """Of everything on the loop that takes longer than a moment, the small requests aside."""
        self._metrics = metrics
        self._shadow = shadow
        self._waiting: deque[_Waiting] = deque()
        self._held: deque[_Waiting] = deque()
        """Those that wait until a large request is done with their entities."""
        self._claims = Claims(self._let_go)
        self._alone = 0
        """How many of those that wait are answered by themselves, since one of them failed for all."""
        self._is_busy = False
        self._large = 0
        self._large_places = asyncio.Semaphore(LARGE_AT_ONCE)
        self._counted = (0, 0)

    @property
    def is_full(self) -> bool:
        """Whether the next small request would be refused."""
        return len(self._waiting) + len(self._held) >= MAXIMUM_WAITING

    async def score(self, events: Sequence[Event], *, received_at: int, started: float) -> list[ScoredEvent]:
        """Score the events of one request; the answer comes after the predictions are safe.

        Raises: ServingError as `OnlineScoring.score` does; RefusedRequestError with 503 when too many wait, or for a
        large request that takes longer than REQUEST_SECONDS.
        """
        request = ScoringRequest(events, received_at, started)
        if len(events) > BATCH_EVENTS:
            return await self._score_large(request)
        if self.is_full:
            raise _too_many()
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._go_on()
        return await future

    def _go_on(self) -> None:
        if self._waiting and not self._is_busy:
            self._is_busy = True
            asyncio.get_running_loop().call_soon(self._next_batch)

    def _let_go(self) -> None:
        """Let those go on, in the order in which they came, that waited for a large request."""
        self._waiting.extendleft(reversed(self._held))
        self._held.clear()
        self._go_on()

    def _next_waiting(self) -> _Waiting | None:
        """Take the next one that need not wait for a large request; those that have to are set aside."""
        while self._waiting:
            one = self._waiting.popleft()
            if not (self._claims.is_any and self._claims.holds(self.scoring.keys_of(one[0]))):
                return one
            self._held.append(one)
        return None

    def _next_batch(self) -> None:
        if (first := self._next_waiting()) is None:
            self._is_busy = False
            return
        turn, count = [first], len(first[0].events)
        if self._alone:
            self._alone -= 1
        else:
            while (one := self._next_waiting()) is not None:
                if (count := count + len(one[0].events)) > BATCH_EVENTS:
                    self._waiting.appendleft(one)
                    break
                turn.append(one)
        self._step(turn, self.scoring.steps([request for request, _ in turn]))

    def _step(self, turn: list[_Waiting], steps: Steps[list[Outcome]]) -> None:
        """Take one step of a turn's; the next one comes after a look at the connections."""
        loop = asyncio.get_running_loop()
        try:
            awaited = next(steps)
        except StopIteration as done:
            self._deliver(turn, done.value)
        except OnlineStoreError as error:
            self._deliver(turn, self._refused(turn, error))
        except Exception as error:
            if len(turn) == 1:
                self._deliver(turn, [error])
            else:  # a fault of one request must not be its neighbours'
                self._waiting.extendleft(reversed(turn))
                self._alone = len(turn)
        else:
            go_on = partial(self._step, turn, steps)
            if awaited is None:
                loop.call_soon(go_on)
            else:
                awaited.add_done_callback(lambda _: loop.call_soon_threadsafe(go_on))
            return
        self._is_busy = False
        self._go_on()

    async def _score_large(self, request: ScoringRequest) -> list[ScoredEvent]:
        if self._large >= MAXIMUM_LARGE:
            raise _too_many()
        turn = [(request, asyncio.get_running_loop().create_future())]
        self._large += 1
        try:
            async with self._large_places:
                self._deliver(turn, await self._outcomes_in_turns(turn))
        finally:
            self._large -= 1
        return await turn[0][1]

    async def _outcomes_in_turns(self, turn: list[_Waiting]) -> list[Outcome] | list[Exception]:
        claim = Claim(self._claims)
        steps = self.scoring.steps([request for request, _ in turn], lost=claim.lost)
        try:
            return await self.turns.through(steps, seconds=REQUEST_SECONDS)
        except TimeoutError:
            told = (
                f"the events of a request must be scored within {REQUEST_SECONDS:.0f} s: send fewer at once"
            )
            return [RefusedRequestError(503, f"{told}; nothing was recorded")]
        except OnlineStoreError as error:
            return self._refused(turn, error)
        except Exception as error:
            return [error]
        finally:
            claim.end()

    def _refused(self, turn: list[_Waiting], error: OnlineStoreError) -> list[Exception]:
        self._metrics.store_errors.inc(len(turn))
        if not isinstance(error, StorePausedError):  # the failure before the pause was logged
            _log.warning("%d requests refused: %s", len(turn), error)
        return [error] * len(turn)

    def _deliver(self, turn: list[_Waiting], outcomes: list[Outcome] | list[Exception]) -> None:
        """Give each request what it gets, and count it."""
        now, before = (self.scoring.capture_failures, self.scoring.conflicts), self._counted
        if now != before:
            self._counted = now
            self._metrics.capture_failures.inc(now[0] - before[0])
            self._metrics.store_conflicts.inc(now[1] - before[1])
        for (_, future), outcome in zip(turn, outcomes, strict=True):
            self._give(future, outcome)
        counted = (one for one in outcomes if isinstance(one, list | ServingError))
        self._metrics.predicted(record for outcome in counted for record in captured_of(outcome))

    def _give(
        self, future: "asyncio.Future[list[ScoredEvent]]", outcome: list[ScoredEvent] | Exception
    ) -> None:
        if isinstance(outcome, Exception):
            if isinstance(outcome, UnansweredError):
                _log.warning("a request was not answered: %s", outcome, exc_info=outcome.__cause__)
            if not future.done():
                future.set_exception(outcome)
            return
        if (shadow := self.scoring.arms.shadow) is not None:
            self._shadow.add(shadow, outcome)
        if not future.done():
            future.set_result(outcome)


def _too_many() -> RefusedRequestError:
    return RefusedRequestError(503, "too many requests wait for their turn: send it again later")
