"""From events to captured predictions: state, features, routing, score and record, in one atomic step.

The same object answers behind HTTP, in the parity replay and in the drills.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Self, TypeVar

import msgspec

from mlops_assets.core.errors import InvalidEventError, OnlineStoreError, OversizedRequestError, ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.features.online.executor import OnlineAnswer
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.online_store.protocol import ABSENT, ScoringStore
from mlops_assets.core.serving.arm_scores import failure_text, score_by
from mlops_assets.core.serving.arms import ReleasedArms, ScoringArm
from mlops_assets.core.serving.outcome import (
    Outcome,
    ScoredEvent,
    ScoringRequest,
    UnansweredError,
    captured_of,
)
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record, prediction_id
from mlops_assets.core.serving.turn import Computed, States, Steps, Turn, asked, finished
from mlops_assets.core.settings import CapturePolicy
from mlops_assets.core.times import KNOWN_AT

ATTEMPTS = 50
"""How often a request is answered anew because another worker changed one of its entities meanwhile."""
LONG_EVENTS = 65
"""Events from which on it is remembered what was computed, for the case that another one changes a state meanwhile."""
READ_AT_ONCE = 200
"""States that are asked for at once."""
ENCODED_AT_ONCE = 50
"""Records that are encoded between two looks at the clock."""
MAXIMUM_STATES = 256 << 20
"""Bytes of all states that one request, or those that are answered together, may read."""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the product says about its events' columns."""

    id_column: str
    event_timestamp: str | None
    """None for a cohort."""
    entity: str
    """Column whose value decides the arm; falls back to the id where it is null."""

    @classmethod
    def of(cls, view: FeatureView, entities: Sequence[str]) -> Self:
        """The columns of a view's events: the first entity decides the arm, or the id where none is declared."""
        return cls(view.id_column, view.event_timestamp, (*entities, view.id_column)[0])


def _ignore(_: Sequence[str]) -> None:
    """Wait for nothing after a lost attempt."""


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """One event, the request that it came in, and the arms that answer it."""

    arms: ReleasedArms
    request: ScoringRequest
    event: Event


class OnlineScoring:
    """Scores the events of one product; belongs to one thread, as its arms and what it asks by itself do."""

    def __init__(
        self,
        facts: EventFacts,
        store: ScoringStore,
        arms: ReleasedArms,
        *,
        policy: CapturePolicy = "refuse",
        clock: Callable[[], float] = lambda: 0.0,
        slice_seconds: float = inf,
        asks_by: Executor | None = None,
    ) -> None:
        """`policy` says what happens when a score cannot be captured: `refuse` raises, `score` answers and counts.

        `clock` gives seconds, for latencies; the default measures none. `slice_seconds` is how long a step of `steps`
        takes, about. `asks_by` has the one thread that asks a store which may let wait for its answer; without one the
        store is asked within a step.
        """
        self.facts = facts
        self.store = store
        self.arms = arms
        """May be replaced between two calls: that is how a new release plan comes in."""
        self.policy: CapturePolicy = policy
        self.capture_failures = 0
        """Events that were answered without a record, or refused because none could be written."""
        self.refuses_captures = False
        """Whether the last predictions were refused because none could be captured."""
        self.conflicts = 0
        """Attempts that were repeated because another worker had changed a state."""
        self._clock = clock
        self._slice_seconds = slice_seconds
        self._asks_by = asks_by

    def score(self, events: Sequence[Event], *, received_at: int) -> list[PredictionRecord]:
        """Score the events of one request, in their order; one record per event, of the arm that answered.

        An event sees those before it in the request. An event that was scored already gets the features it had, and
        changes nothing.

        Raises: InvalidEventError, with the event's place in the request, when one cannot be scored as sent; then none
        is. UnansweredError when no arm can score one; then the failures are captured and no state is changed, so that
        the request may be sent again. OnlineStoreError when states cannot be read, or predictions cannot be captured
        under the policy `refuse`.
        """
        (outcome,) = self.answer([ScoringRequest(events, received_at, self._clock())])
        if isinstance(outcome, ServingError):
            raise outcome
        return [scored.record for scored in outcome]

    def answer(self, requests: Sequence[ScoringRequest]) -> list[Outcome]:
        """Answer several requests in one atomic step: one read of all states, one commit.

        A request with an invalid event gets its error and leaves no trace, one that no arm can answer leaves the arms'
        failures; the others do not notice.

        Raises: OnlineStoreError as `score` does; OversizedRequestError for states that are too large together.
        """
        return finished(self.steps(requests))

    def steps(
        self,
        requests: Sequence[ScoringRequest],
        *,
        lost: Callable[[Sequence[str]], Future[None] | None] = _ignore,
    ) -> Steps[list[Outcome]]:
        """Answer as `answer` does, in steps of a slice's length; the outcomes are what the generator returns.

        Between two steps others may be answered, also about the same entities. Nothing is written before the last step:
        what was computed from a state that another one changed meanwhile is then computed anew, and no more than that.

        `lost` is told the keys of the states each time that another one was first; what it returns is waited for before
        the next attempt.

        Raises: as `answer` does, and what `lost` raises.
        """
        is_long = sum(len(request.events) for request in requests) >= LONG_EVENTS
        turn = Turn(self.arms, self._clock, self._slice_seconds, is_long=is_long)
        found = [_keys(turn.arms, request) for request in requests]
        keys = list(dict.fromkeys([key for events in found for own in events for key in own or ()]))
        is_any_late = any(
            turn.arms.features.is_late(event, now=request.received_at)
            for request in requests
            for event in request.events
        )
        states = None
        for _ in range(ATTEMPTS):
            states = yield from self._read(turn, keys, is_any_late=is_any_late, before=states)
            outcomes: list[Outcome] = []
            for request, events in zip(requests, found, strict=True):
                outcomes.append((yield from self._try(turn, request, events, states)))
            if (yield from self._commit(turn, states, outcomes)):
                return outcomes
            self.conflicts += 1
            if (awaited := lost(keys)) is not None:
                yield awaited
        raise OnlineStoreError(
            f"other workers changed {', '.join(keys[:3])} {ATTEMPTS} times during one request: send it again"
        )

    def keys_of(self, request: ScoringRequest) -> set[str]:
        """Return the keys of the states that a request reads and changes."""
        return {key for own in _keys(self.arms, request) for key in own or ()}

    def features_of(self, event: Event, *, received_at: int) -> tuple[ScoringArm, tuple[float | None, ...]]:
        """Return the arm that would answer and its feature vector, as of the event's own time; nothing is changed.

        Raises: InvalidEventError and OnlineStoreError as `score` does.
        """
        return finished(self.feature_steps(event, received_at=received_at))

    def feature_steps(
        self, event: Event, *, received_at: int
    ) -> Steps[tuple[ScoringArm, tuple[float | None, ...]]]:
        """Return what `features_of` does, in steps; raises as it does."""
        turn = Turn(self.arms, self._clock, inf)
        features = turn.arms.features
        keys = features.keys(event)
        states = yield from self._read(
            turn, list(keys), is_any_late=features.is_late(event, now=received_at), before=None
        )
        answer = features.answer(
            event,
            [states.contents[key] for key in keys],
            known_at=self._known_at(event, received_at),
            empty=states.empty,
        )
        arm = turn.arms.route(self._entity(event))
        return arm, arm.vector(answer.features)

    def asked(self, question: Callable[[], _Answer]) -> Steps[_Answer]:
        """Ask a question of the store, as requests do; raises what it raises."""
        return asked(question, self._asks_by)

    def _read(
        self, turn: Turn, keys: list[str], *, is_any_late: bool, before: States | None
    ) -> Steps[States]:
        """Read the states; one that has the version of `before` is the same object as there."""
        if self.facts.event_timestamp is None:
            return States({}, {}, b"")
        states, size = States({}, {}, b""), 0
        for first in range(0, len(keys), READ_AT_ONCE):
            some = keys[first : first + READ_AT_ONCE]
            found = yield from self.asked(partial(self.store.read, some))
            for key, state in zip(some, found, strict=True):
                is_known = before is not None and before.versions[key] == state.version
                states.versions[key] = state.version
                states.read[key] = before.read[key] if before is not None and is_known else state.content
                size += len(state.content)
            if size > MAXIMUM_STATES:
                raise OversizedRequestError(
                    f"the states of the entities in a request may have {MAXIMUM_STATES >> 20} MiB together: send fewer "
                    "events at once"
                )
            if turn.is_over():
                yield
                turn.renew()
        if is_any_late or ABSENT in states.versions.values():
            (stored,) = yield from self.asked(partial(self.store.read, [turn.arms.features.empty_key]))
            empty = stored.content
            states.empty = before.empty if before is not None and before.empty == empty else empty
        states.contents = dict(states.read)
        return states

    def _try(
        self, turn: Turn, request: ScoringRequest, keys: list[tuple[str, ...] | None], states: States
    ) -> Steps[Outcome]:
        before = dict(states.contents), dict(states.changed)
        scored: list[ScoredEvent] = []
        for index, (event, found) in enumerate(zip(request.events, keys, strict=True)):
            try:
                scored.append(self._score_event(turn, _Asked(turn.arms, request, event), found, states))
            except ServingError as error:
                if isinstance(error, InvalidEventError):
                    error.event = index
                if isinstance(error, UnansweredError):
                    earlier = [one.failed for one in scored if one.failed is not None]
                    error.failures = (*earlier, *error.failures)
                states.contents, states.changed = before
                return error
            if turn.is_over():
                yield
                turn.renew()
        return scored

    def _score_event(
        self, turn: Turn, asked: _Asked, keys: tuple[str, ...] | None, states: States
    ) -> ScoredEvent:
        if keys is None:
            keys = turn.arms.features.keys(asked.event)  # raises what they cannot be told for
        given = [states.contents[key] for key in keys]
        computed = turn.remembered(asked.event, given, states.empty) if turn.is_long else None
        if computed is None:
            computed = self._computed(asked, given, states.empty)
            if turn.is_long:
                turn.remember(asked.event, given, states.empty, computed)
        scored, answered = computed
        for key, content in zip(keys, answered or (), strict=answered is not None):
            if content is not None:
                states.contents[key] = states.changed[key] = content
        return scored

    def _computed(self, asked: _Asked, given: list[bytes], empty: bytes) -> Computed:
        """Score one event from its states by the arm that it is routed to, or the champion where that fails."""
        routed = asked.arms.route(self._entity(asked.event))
        answer = self._answer_features(asked, given, empty, routed)
        failures: list[PredictionRecord] = []
        cause: Exception | None = None
        for arm in dict.fromkeys((routed, asked.arms.champion)):
            try:
                vector, score = score_by(arm, answer.features)
            except Exception as error:  # whatever a model raises: it is captured, and the champion stands in
                failures.append(self._failure(asked, arm, answer.known_at, error))
                cause = error
                continue
            record = self._record(asked, arm, answer.known_at, features=vector, score=score)
            return ScoredEvent(record, answer.features, failures[0] if failures else None), answer.states
        versions = " and ".join(str(one.version) for one in failures)
        raise UnansweredError(f"version {versions} could not score the event", failures=failures) from cause

    def _answer_features(
        self, asked: _Asked, given: list[bytes], empty: bytes, routed: ScoringArm
    ) -> OnlineAnswer:
        """Compute the event's features; what goes wrong unforeseen is a failure of the arm that was to answer."""
        known_at = self._known_at(asked.event, asked.request.received_at)
        try:
            return asked.arms.features.answer(asked.event, given, known_at=known_at, empty=empty)
        except ServingError:
            raise
        except Exception as error:
            failure = self._failure(asked, routed, known_at, error)
            raise UnansweredError("the event's features could not be computed", failures=[failure]) from error

    def _failure(
        self, asked: _Asked, arm: ScoringArm, known_at: int | None, error: Exception
    ) -> PredictionRecord:
        return self._record(asked, arm, known_at, error=failure_text(error))

    def _record(
        self,
        asked: _Asked,
        arm: ScoringArm,
        known_at: int | None,
        *,
        features: tuple[float | None, ...] = (),
        score: float | None = None,
        error: str | None = None,
    ) -> PredictionRecord:
        event_id, content = asked.event[self.facts.id_column], dict(asked.event)
        time = self.facts.event_timestamp
        return PredictionRecord(
            prediction_id=prediction_id(event_id, content, version=arm.version),  # pyright: ignore[reportArgumentType]
            event_id=event_id,  # pyright: ignore[reportArgumentType]
            request=content,
            event_timestamp=content[time] if time else None,  # pyright: ignore[reportArgumentType]
            known_at=known_at,
            received_at=asked.request.received_at,
            version=arm.version,
            feature_view=arm.view_digest,
            role=arm.role,
            plan_sequence=asked.arms.sequence,
            features=features,
            score=score,
            threshold=arm.threshold,
            decision=None if score is None else int(score >= arm.threshold),
            latency_seconds=self._clock() - asked.request.started,
            error=error,
        )

    def _known_at(self, event: Event, received_at: int) -> int | None:
        if self.facts.event_timestamp is None:
            return None
        asked = event.get(KNOWN_AT)
        return received_at if asked is None else asked  # pyright: ignore[reportReturnType]

    def _entity(self, event: Event) -> int | str:
        entity = event.get(self.facts.entity)
        return event[self.facts.id_column] if entity is None else entity  # pyright: ignore[reportReturnType]

    def _commit(self, turn: Turn, states: States, outcomes: list[Outcome]) -> Steps[bool]:
        captured = [record for outcome in outcomes for record in captured_of(outcome)]
        records: list[bytes] = []
        for first in range(0, len(captured), ENCODED_AT_ONCE):
            records += [encode_record(record) for record in captured[first : first + ENCODED_AT_ONCE]]
            if turn.is_over():
                yield
                turn.renew()
        if not records:
            return True
        try:
            is_done = yield from self.asked(partial(self.store.commit, states.changes(), records))
        except OnlineStoreError:
            self.capture_failures += sum(len(outcome) for outcome in outcomes if isinstance(outcome, list))
            if self.policy == "refuse":
                self.refuses_captures = True
                raise
            return True
        self.refuses_captures = False
        return is_done


def _keys(arms: ReleasedArms, request: ScoringRequest) -> list[tuple[str, ...] | None]:
    """State keys of each event; one whose keys cannot be told has None, and is refused when it is scored."""
    found: list[tuple[str, ...] | None] = []
    for event in request.events:
        try:
            found.append(arms.features.keys(event))
        except InvalidEventError:
            found.append(None)
    return found
