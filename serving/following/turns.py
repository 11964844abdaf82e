"""Lets the workers of a host load a new plan one after the other, so that one that dies of it takes no other along."""

import contextlib
import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.worker_notes import WorkerNotes, read_notes

LOCK_FILE = "loading.lock"
SETTLE_SECONDS = 1.0
"""A worker that lives so long with a plan works with it."""


class LoadTurn:
    """The turn of one worker that answers already; it notes what it does with a plan."""

    def __init__(
        self, serving_home: Path, product: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """No plan is being loaded."""
        self._place = (serving_home, product)
        self._clock = clock
        self._lock: IO[bytes] | None = None
        self._settles: tuple[int, float] | None = None
        self.notes = WorkerNotes(serving_home, product)

    def take(self, plan: int) -> bool:
        """Tell whether this worker may load the plan now: no other one is about it, and none has died of it.

        After a death the follower decides: it takes the plan away, or another worker is seen to work with it.
        """
        if self._settles is not None or self._is_troubled(plan):
            return False
        with contextlib.suppress(OSError):  # without the lock, everybody for himself
            self._lock = self._lock or _opened(self._place[0] / self._place[1] / LOCK_FILE)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def loads(self, plan: int) -> None:
        """Note that loading begins; when this process dies, it dies of it."""
        self.notes.say("loads", plan)

    def loaded(self, plan: int) -> None:
        """The plan answers from now on; it works when this worker still lives a little later, see `settle`."""
        self._settles = (plan, self._clock() + SETTLE_SECONDS)

    def keeps(self, plan: int) -> None:
        """Note that the plan could not be loaded, and the one before goes on; end the turn."""
        self.notes.say("keeps", plan)
        self._end()

    def settle(self) -> None:
        """Note that a loaded plan works once its time has come, and end the turn; call it often."""
        if self._settles is not None and self._clock() >= self._settles[1]:
            self.notes.say("works", self._settles[0])
            self._end()

    def close(self) -> None:
        """Leave in order."""
        self._end()
        self.notes.close()
        if self._lock is not None:
            self._lock.close()

    def _end(self) -> None:
        self._settles = None
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _is_troubled(self, plan: int) -> bool:
        if any(
            not note.is_alive and (note.plan, note.stage) == (plan, "loads")
            for note in read_notes(*self._place)
        ):
            return True
        try:
            return SeenPlans.read(seen_file(*self._place)).troubled == plan
        except ServingError:
            return False


def _opened(file: Path) -> IO[bytes]:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("ab")
