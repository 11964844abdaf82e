"""Joins the requests that arrive at the same moment into one read and one commit of the store.

A worker is one event loop. Requests that are ready in the same turn of the loop share one atomic step, so that a busy
worker commits less often than it answers, and an idle one never waits. The store is called on the loop's own thread:
handing a call of 0.1 ms to another thread and back would take longer than the call. `store_breaker` bounds how long
a store that does not answer may hold the loop.
"""

import asyncio
import logging
from collections.abc import Sequence

from mlops_assets.core.errors import OnlineStoreError, ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.serving.outcome import ScoredEvent, ScoringRequest, UnansweredError, captured_of
from mlops_assets.core.serving.scoring import OnlineScoring
from serving.http_errors import RefusedRequestError
from serving.limits import BATCH_EVENTS, MAXIMUM_WAITING
from serving.metrics import ServingMetrics
from serving.shadow import ShadowLane
from serving.store_breaker import StorePausedError

_log = logging.getLogger(__name__)
_Waiting = tuple[ScoringRequest, "asyncio.Future[list[ScoredEvent]]"]


class ScoringLane:
    """Scores requests in the order of their arrival; belongs to one event loop."""

    def __init__(self, scoring: OnlineScoring, metrics: ServingMetrics, shadow: ShadowLane) -> None:
        self.scoring = scoring
        self._metrics = metrics
        self._shadow = shadow
        self._waiting: list[_Waiting] = []

    @property
    def is_full(self) -> bool:
        """Whether the next request would be refused."""
        return len(self._waiting) >= MAXIMUM_WAITING

    async def score(self, events: Sequence[Event], *, received_at: int, started: float) -> list[ScoredEvent]:
        """Score the events of one request; the answer comes after the predictions are safe.

        Raises: ServingError as `OnlineScoring.score` does; RefusedRequestError with 503 when too many wait.
        """
        if self.is_full:
            raise RefusedRequestError(503, "too many requests wait for their turn: send it again later")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._next_batch)
        self._waiting.append((ScoringRequest(events, received_at, started), future))
        return await future

    def _next_batch(self) -> None:
        batch, count = 0, 0
        for request, _ in self._waiting:
            count += len(request.events)
            if batch and count > BATCH_EVENTS:
                break
            batch += 1
        turn, self._waiting = self._waiting[:batch], self._waiting[batch:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next_batch)
        self._answer(turn)

    def _answer(self, turn: list[_Waiting]) -> None:
        scoring, before = self.scoring, (self.scoring.capture_failures, self.scoring.conflicts)
        try:
            outcomes = scoring.answer([request for request, _ in turn])
        except OnlineStoreError as error:
            self._metrics.store_errors.inc(len(turn))
            if not isinstance(error, StorePausedError):  # the failure before the pause was logged
                _log.warning("%d requests refused: %s", len(turn), error)
            outcomes = [error] * len(turn)
        except Exception as error:
            if len(turn) > 1:  # a fault of one request must not be its neighbours'
                for one in turn:
                    self._answer([one])
                return
            outcomes = [error]
        if (now := (scoring.capture_failures, scoring.conflicts)) != before:
            self._metrics.capture_failures.inc(now[0] - before[0])
            self._metrics.store_conflicts.inc(now[1] - before[1])
        for (_, future), outcome in zip(turn, outcomes, strict=True):
            self._deliver(future, outcome)
        counted = (one for one in outcomes if isinstance(one, list | ServingError))
        self._metrics.predicted(record for outcome in counted for record in captured_of(outcome))

    def _deliver(
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
