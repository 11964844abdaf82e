"""The shadow's lane: scores what others answered, after the reply, in a thread of its own, and drops work first."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.arm_scores import score_silently
from mlops_assets.core.serving.arms import ScoringArm
from mlops_assets.core.serving.outcome import ScoredEvent
from serving.metrics import ServingMetrics

QUEUE_LENGTH = 1000
"""Requests that wait for the shadow; the next one is dropped."""
BATCH = 100
"""Requests that are captured in one step, so that the shadow takes the store's lock rarely."""
PAUSE_SECONDS = 0.02
"""Between two batches: the requests' own thread goes first."""
_log = logging.getLogger(__name__)


class ShadowLane:
    """Hands scored events to the shadow; never waits and never raises."""

    def __init__(self, open_store: Callable[[], OnlineStore], metrics: ServingMetrics) -> None:
        """Start the thread, which opens a store of its own when it first has work."""
        self._waiting: queue.Queue[tuple[ScoringArm, Sequence[ScoredEvent]] | None] = queue.Queue(
            QUEUE_LENGTH
        )
        self._open_store = open_store
        self._metrics = metrics
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def add(self, shadow: ScoringArm, scored: Sequence[ScoredEvent]) -> None:
        """Let `shadow` score these events some time soon, or drop them when too many wait."""
        try:
            self._waiting.put_nowait((shadow, scored))
        except queue.Full:
            self._metrics.shadow_dropped.inc(len(scored))

    def close(self) -> None:
        """Score what waits, then end; at most some seconds."""
        try:
            self._waiting.put(None, timeout=1.0)
        except queue.Full:
            return
        self._thread.join(5.0)

    def _run(self) -> None:
        store = None
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            try:
                store = store or self._open_store()
                self._score(store, batch)
            except OnlineStoreError as error:
                dropped = sum(len(scored) for _, scored in batch)
                self._metrics.shadow_dropped.inc(dropped)
                _log.warning("the shadow's predictions of %d events were not captured: %s", dropped, error)
            time.sleep(PAUSE_SECONDS)
        if store is not None:
            store.close()

    def _next_batch(self) -> tuple[list[tuple[ScoringArm, Sequence[ScoredEvent]]], bool]:
        batch = []
        work = self._waiting.get()
        while work is not None:
            batch.append(work)
            if len(batch) == BATCH or self._waiting.empty():
                return batch, True
            work = self._waiting.get()
        return batch, False

    def _score(self, store: OnlineStore, batch: list[tuple[ScoringArm, Sequence[ScoredEvent]]]) -> None:
        for shadow in dict.fromkeys(arm for arm, _ in batch):
            scored = [one for arm, events in batch if arm is shadow for one in events]
            self._metrics.predicted(score_silently(store, shadow, scored, clock=time.perf_counter))
