"""Looks at every part of the platform at once, so that one which fails or hangs hides nothing of the others."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mlops_assets.core.exporter.metric import Metric, Sample

PATIENCE_SECONDS = 2.0
"""How long a scrape waits for the parts together; what takes longer is shown by a later scrape."""
FRESH_SECONDS = 5.0
"""How long a look at a part is shown again without another one, at least."""
PAUSE_TIMES = 20.0
"""A look that took long is shown so many times as long: a large store costs a twentieth of a core at most."""
LONGEST_PAUSE_SECONDS = 300.0
STALE_SECONDS = 60.0
"""A look that is due for so long is not shown any more: the part then counts as failed."""
SUCCESS = Metric(
    name="mlops_exporter_part_success",
    meaning="1 where the last look at a part of the platform worked, 0 where it failed or hangs; product is empty for "
    "what is the home's.",
    labels=("part", "product"),
    bound="parts × products",
)
DURATION = Metric(
    name="mlops_exporter_part_duration_seconds",
    meaning="How long the last look at a part took.",
    labels=("part",),
    bound="one per part",
)
METRICS = (SUCCESS, DURATION)
HOME = ("",)
"""The only subject of a part that is of no product."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Something that is looked at: one source of numbers, such as the registry or the outbox of alerts."""

    name: str
    metrics: tuple[Metric, ...]
    look: Callable[[str], Iterable[Sample]]
    """Returns the samples of one subject. Called in threads of its own, one call at a time."""
    subjects: tuple[str, ...] = HOME
    """Products, or HOME."""


@dataclass(frozen=True)
class _Look:
    samples: tuple[Sample, ...]
    failures: frozenset[str]
    seconds: float
    ended_at: float

    @property
    def due_at(self) -> float:
        """When the part is to be looked at again; one that failed, sooner."""
        pause = self.seconds if self.failures else min(LONGEST_PAUSE_SECONDS, PAUSE_TIMES * self.seconds)
        return self.ended_at + max(FRESH_SECONDS, pause)


@dataclass
class _Watched:
    """A part with its last look, and the look that is under way."""

    part: Part
    clock: Callable[[], float]
    last: _Look | None = None
    running: threading.Thread | None = None
    told: dict[str, str] = field(default_factory=dict)
    """Per subject the failure that was logged last, so that each is logged once."""

    def begin(self) -> threading.Thread | None:
        """Start a look unless one runs or the last one is fresh; return the one that runs."""
        if self.running is not None and self.running.is_alive():
            return self.running
        if self.last is not None and self.clock() < self.last.due_at:
            return None
        self.running = threading.Thread(target=self._look, name=f"metrics of {self.part.name}", daemon=True)
        self.running.start()
        return self.running

    def samples(self) -> Iterable[Sample]:
        """Return what is known, and whether it is."""
        last = self.last
        is_stale = last is None or self.clock() > last.due_at + STALE_SECONDS
        if last is not None and not is_stale:
            yield from last.samples
            yield DURATION.of(last.seconds, self.part.name)
        for subject in self.part.subjects:
            is_known = last is not None and not is_stale and subject not in last.failures
            yield SUCCESS.of(is_known, self.part.name, subject)

    def _look(self) -> None:
        started, found, failures = self.clock(), list[Sample](), set[str]()
        for subject in self.part.subjects:
            try:
                found.extend(self.part.look(subject))  # what comes before a failure stays
            except Exception as error:  # whatever it is, the others are still to be seen
                failures.add(subject)
                self._tell(subject, f"{type(error).__name__}: {error}")
            else:
                self.told.pop(subject, None)
        ended = self.clock()
        self.last = _Look(tuple(found), frozenset(failures), ended - started, ended)

    def _tell(self, subject: str, failure: str) -> None:
        if self.told.get(subject) != failure:
            self.told[subject] = failure
            logger.warning("no numbers of %s %s: %s", self.part.name, subject, failure)


class Parts:
    """All parts of a home; safe to ask from several threads."""

    def __init__(self, parts: Sequence[Part], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = (*(metric for part in parts for metric in part.metrics), *METRICS)
        self._watched = [_Watched(part, clock) for part in parts]
        self._lock = threading.Lock()

    def samples(self, *, patience_seconds: float = PATIENCE_SECONDS) -> tuple[Sample, ...]:
        """Look at every part that was not looked at just now, and return what is known of each.

        A part that does not answer in time keeps its thread, and shows its last look for STALE_SECONDS more.
        """
        deadline = time.monotonic() + patience_seconds
        with self._lock:
            running = [thread for one in self._watched if (thread := one.begin()) is not None]
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))
        return tuple(sample for one in self._watched for sample in one.samples())
