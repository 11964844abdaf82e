"""All attempts at some requests: the states that they read, the arms that answer, their pace, and what was computed."""

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from operator import is_
from typing import Any, TypeVar

from mlops_assets.core.features.online.event import Event
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.serving.arms import ReleasedArms
from mlops_assets.core.serving.outcome import ScoredEvent

MAXIMUM_REMEMBERED = 32 << 20
"""Bytes of states from which something was computed that is kept for another attempt."""
Computed = tuple[ScoredEvent, tuple[bytes | None, ...] | None]
"""An event's answer, and its entities' next states."""
_Result = TypeVar("_Result")
Steps = Generator[Future[Any] | None, None, _Result]
"""Work that others may interrupt: after a step that gives a future, the next one is taken when that is done."""


@dataclass(slots=True)
class States:
    """States as read, and as this attempt leaves them; an absent state is empty."""

    versions: dict[str, int]
    read: dict[str, bytes]
    empty: bytes
    """What stands for an absent state."""
    contents: dict[str, bytes] = field(init=False)
    changed: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contents = dict(self.read)

    def changes(self) -> list[StateChange]:
        """What is to be written, if the states are still those that were read."""
        return [StateChange(key, self.versions[key], content) for key, content in self.changed.items()]


class Turn:
    """What holds for all attempts at some requests: the arms that answer them, the pace, and what was computed."""

    def __init__(
        self, arms: ReleasedArms, clock: Callable[[], float], slice_seconds: float, *, is_long: bool = False
    ) -> None:
        """Begin the first slice; of a turn that `is_long` it is remembered what was computed."""
        self.is_long = is_long
        self.arms = arms
        """Of when the requests came: a release plan that comes meanwhile answers later ones."""
        self._clock = clock
        self._slice_seconds = slice_seconds
        self._slice_ends = clock() + slice_seconds
        self._known: dict[int, tuple[list[bytes], bytes, Computed]] = {}
        self._bytes = 0

    def is_over(self) -> bool:
        """Whether the slice is over: others are to have their turn, and `renew` begins the next one."""
        return self._clock() >= self._slice_ends

    def renew(self) -> None:
        """Begin a slice now, after others had their turn."""
        self._slice_ends = self._clock() + self._slice_seconds

    def remembered(self, event: Event, given: list[bytes], empty: bytes) -> Computed | None:
        """Return what was computed for this event from the same states, the same objects."""
        if (known := self._known.get(id(event))) is None:
            return None
        before, before_empty, computed = known
        is_same = empty is before_empty and all(map(is_, given, before))
        return computed if is_same else None

    def remember(self, event: Event, given: list[bytes], empty: bytes, computed: Computed) -> None:
        """Keep what was computed, while there is room."""
        if self._bytes <= MAXIMUM_REMEMBERED:
            self._bytes += sum(map(len, given))
            self._known[id(event)] = given, empty, computed


def asked(question: Callable[[], _Result], executor: Executor | None) -> Steps[_Result]:
    """Ask by the executor, so that nobody else waits for the answer; without one at once, on the caller's thread.

    Raises: what the question raises.
    """
    if executor is None:
        return question()
    answer = executor.submit(question)
    yield answer
    return answer.result()


def finished(steps: Steps[_Result]) -> _Result:
    """Take all steps without a pause but for what they wait for, and return what comes of them."""
    while True:
        try:
            if (awaited := next(steps)) is not None:
                wait([awaited])
        except StopIteration as done:
            return done.value
