"""Whether a worker lives, and whether it is ready: whether a prediction that came now would be answered."""

import logging
from collections.abc import Callable, Mapping

from mlops_assets.core.errors import OnlineStoreError, ServingError
from mlops_assets.core.online_store.protocol import ScoringStore, StateChange
from serving.http.app import Endpoint, HttpAnswer, HttpRequest
from serving.scoring_lane import ScoringLane

NOTE = "readiness"
"""Key of what is written to see whether the store takes anything: a note, that of no entity."""
TRIAL_SECONDS = 1.0
"""Between two trials of a store that refused a prediction."""
_log = logging.getLogger(__name__)


class Health:
    """Says whether predictions would be answered; belongs to one event loop."""

    def __init__(self, lane: ScoringLane, store: ScoringStore, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, and never goes back."""
        self._lane = lane
        self._store = store
        self._clock = clock
        self._tried_at: float | None = None
        self._problem: str | None = None

    def is_ready(self) -> bool:
        """Whether models are loaded, the store answers and takes predictions, and requests get a place in the queue."""
        problem = self._found()
        if problem != self._problem:
            _log.warning("ready again" if problem is None else "not ready: %s", *filter(None, [problem]))
        self._problem = problem
        return problem is None

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
        status = 200 if self.is_ready() else 503
        return HttpAnswer(b"\n", status, media_type=b"text/plain; charset=utf-8")

    def _found(self) -> str | None:
        if self._lane.is_full:
            return "as many requests wait as may"
        try:
            (noted,) = self._store.read([NOTE])
            if self._lane.scoring.refuses_captures:
                return self._trial(noted.version)
        except ServingError as error:
            return str(error)
        return None

    def _trial(self, version: int) -> str | None:
        """Write a note where the store refused the last prediction: only a write tells that it would take the next."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < TRIAL_SECONDS:
            return self._problem or "the store refused the last prediction"
        self._tried_at = now
        try:
            is_done = self._store.commit([StateChange(NOTE, version, b"")], [])
        except OnlineStoreError as error:
            return f"the store refused the last prediction, and a trial: {error}"
        if not is_done:
            return "the store refused the last prediction, and another worker tries it"
        self._lane.scoring.refuses_captures = False
        return None
