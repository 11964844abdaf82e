"""Judges by what workers say whether the plan of a host works there."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.serving.host.seen_plans import SeenPlans
from mlops_assets.core.serving.host.snapshot import ServingSnapshot
from mlops_assets.core.serving.host.worker_notes import WorkerNote, read_notes

DEATHS_BEFORE = 2
"""So many workers may not die while they load a plan that never worked here. One that crashes by itself is enough."""
ALONE_SECONDS = 30.0
"""One death is enough, too, when no worker works with the plan so long after it: nobody may be left to try."""
DEATHS_AFTER = 3
"""So many workers may not crash, or die while they load, under a plan that worked, within WINDOW_SECONDS."""
WINDOW_SECONDS = 300.0


class PlanJudge:
    """Counts the deaths of workers by the plan under which they died; one object per follower."""

    def __init__(
        self, serving_home: Path, product: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Of workers that died before, only crashes count: a server may have been stopped as they loaded."""
        self._place = (serving_home, product)
        self._clock = clock
        self._is_first = True
        self._times: list[float] = []
        self._judged: ReleasePlan | None = None

    def look(self, current: ServingSnapshot | None, seen: SeenPlans) -> tuple[SeenPlans, str | None]:
        """Read the workers' notes; return what the host has seen by now, and why the current plan is refused, if it is.

        Notes of the dead are taken away.
        """
        notes = read_notes(*self._place)
        dead = [note for note in notes if not note.is_alive]
        for note in dead:
            with contextlib.suppress(
                OSError
            ):  # it is read again, and counts once more: the disk has other troubles
                note.file.unlink()
        is_first, self._is_first = self._is_first, False
        if current is None:
            return seen, None
        plan = current.plan
        if plan != self._judged:
            self._judged, self._times = plan, []
        under = [note for note in notes if note.plan == plan.sequence]
        is_working = any(note.is_alive and note.stage == "works" for note in under)
        died = [
            note
            for note in under
            if not note.is_alive and _counts(note, is_first=is_first, is_working=is_working)
        ]
        self._times += [self._clock()] * len(died)
        if seen.is_good(plan):
            return seen, self._reason_after(died)
        if is_working and not died:
            return seen.with_good(current), None
        if died:
            seen = seen.with_deaths(plan, len(died))
        return seen, self._reason_before(seen, plan, died, is_working=is_working)

    def _reason_before(
        self, seen: SeenPlans, plan: ReleasePlan, died: Sequence[WorkerNote], *, is_working: bool
    ) -> str | None:
        """Why a plan that never worked is refused."""
        deaths = seen.deaths if seen.troubled == plan.sequence else 0
        if not deaths:
            return None
        if not self._times:  # counted by a follower of before
            self._times = [self._clock()]
        is_alone = not is_working and self._clock() - self._times[0] > ALONE_SECONDS
        crashes = [note.crash for note in died if note.crash]
        if not (crashes or deaths >= DEATHS_BEFORE or is_alone):
            return None
        died_of = f" ({crashes[0]})" if crashes else ""
        many = "a worker" if deaths == 1 else f"{deaths} workers"
        return f"{many} died while loading it{died_of}, and none has worked with it"

    def _reason_after(self, died: Sequence[WorkerNote]) -> str | None:
        """Why a plan that worked is refused."""
        self._times = [moment for moment in self._times if self._clock() - moment < WINDOW_SECONDS]
        if len(self._times) < DEATHS_AFTER or not died:
            return None
        crashes = [note.crash for note in died if note.crash]
        died_of = f" ({crashes[0]})" if crashes else ""
        minutes = WINDOW_SECONDS / 60
        return f"it worked before, but {len(self._times)} workers died under it within {minutes:.0f} minutes{died_of}"


def _counts(note: WorkerNote, *, is_first: bool, is_working: bool) -> bool:
    """Whether a death speaks against the plan: the worker crashed from within, or was loading.

    One that was loading may have been killed from outside: it does not count beside a worker that works with the plan,
    nor when it was stopped with all.
    """
    return note.crash is not None or (note.stage == "loads" and not is_first and not is_working)
