"""Whether a worker lives, and whether it is ready: whether a prediction that came now would be answered."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from mlops_assets.core.errors import OnlineStoreError, ServingError
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.serving.turn import Steps
from serving.http.app import Endpoint, HttpAnswer, HttpRequest
from serving.limits import READY_SECONDS
from serving.scoring_lane import ScoringLane
from serving.turns import at_once

NOTE = "readiness"
"""Key of what is written to see whether the store takes anything: a note, that of no entity."""
TRIAL_SECONDS = 1.0
"""Between two trials of a store that refused a prediction."""
STANDS_SECONDS = 1.0
"""How long what was found last stands while the store lets wait for its answer: it may answer in time yet."""
_log = logging.getLogger(__name__)


class Health:
    """Says whether predictions would be answered; belongs to one event loop."""

    def __init__(
        self, lane: ScoringLane, *, clock: Callable[[], float], lets_in: Callable[[], bool] = lambda: True
    ) -> None:
        """`clock` gives seconds, and never goes back. `lets_in` says whether a client with a key could be let in."""
        self._lane = lane
        self._lets_in = lets_in
        self._clock = clock
        self._tried_at: float | None = None
        self._problem: str | None = None
        self._look: asyncio.Task[None] | None = None
        self._began = 0.0
        self._is_known = False
        """Whether the store was ever looked at."""

    async def is_ready(self) -> bool:
        """Whether models are loaded, clients are let in, the store answers and takes predictions, and requests get a
        place in the queue.

        Comes within READY_SECONDS: while a store lets wait longer for its answer, what was found last stands a moment.
        """
        if self._look is None or self._look.done():
            self._began = self._clock()
            self._look = asyncio.ensure_future(self._look_at_store())
        look = self._look
        _, waiting = await asyncio.wait([look], timeout=READY_SECONDS)
        if not waiting:
            look.result()
        elif self._clock() - self._began >= STANDS_SECONDS:
            self._note("the store does not answer")
        return self._is_known and self._problem is None

    def routes(self) -> Mapping[str, Endpoint]:
        """Return the endpoints by path."""
        alive = {"GET": self._alive}
        return {
            "/livez": Endpoint("/livez", alive),
            "/healthz": Endpoint("/healthz", alive),
            "/readyz": Endpoint("/readyz", {"GET": self._ready}),
        }

    async def _alive(self, _: HttpRequest) -> HttpAnswer:
        return HttpAnswer(b"\n", media_type=b"text/plain; charset=utf-8")

    async def _ready(self, _: HttpRequest) -> HttpAnswer:
        status = 200 if await self.is_ready() else 503
        return HttpAnswer(b"\n", status, media_type=b"text/plain; charset=utf-8")

    async def _look_at_store(self) -> None:
        self._note(await at_once(self._found()))

    def _note(self, problem: str | None) -> None:
        if problem != self._problem:
            _log.warning("ready again" if problem is None else "not ready: %s", *filter(None, [problem]))
        self._problem, self._is_known = problem, True

    def _found(self) -> Steps[str | None]:
        if self._lane.is_full:
            return "as many requests wait as may"
        if not self._lets_in():
            return "the API keys cannot be read, and nobody is let in"
        scoring = self._lane.scoring
        try:
            (noted,) = yield from scoring.asked(partial(scoring.store.read, [NOTE]))
            if scoring.refuses_captures:
                return (yield from self._trial(noted.version))
        except ServingError as error:
            return str(error)
        return None

    def _trial(self, version: int) -> Steps[str | None]:
        """Write a note where the store refused the last prediction: only a write tells that it would take the next."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < TRIAL_SECONDS:
            return self._problem or "the store refused the last prediction"
        self._tried_at = now
        scoring, note = self._lane.scoring, StateChange(NOTE, version, b"")
        try:
            is_done = yield from scoring.asked(partial(scoring.store.commit, [note], []))
        except OnlineStoreError as error:
            return f"the store refused the last prediction, and a trial: {error}"
        if not is_done:
            return "the store refused the last prediction, and another worker tries it"
        scoring.refuses_captures = False
        return None
