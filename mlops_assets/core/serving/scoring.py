"""From events to captured predictions: state, features, routing, score and record, in one atomic step.

The same object answers behind HTTP, in the parity replay and in the drills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from mlops_assets.core.errors import InvalidEventError, OnlineStoreError, ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.features.online.executor import OnlineAnswer
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.online_store.protocol import ABSENT, ScoringStore, StateChange
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
from mlops_assets.core.settings import CapturePolicy
from mlops_assets.core.times import KNOWN_AT

ATTEMPTS = 50
"""How often a request is answered anew because another worker changed one of its entities meanwhile."""


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


@dataclass(slots=True)
class _States:
    """States as read, and as this attempt leaves them; an absent state is empty."""

    versions: dict[str, int]
    contents: dict[str, bytes]
    empty: bytes
    """What stands for an absent state."""
    changed: dict[str, bytes] = field(default_factory=dict)

    def changes(self) -> list[StateChange]:
        return [StateChange(key, self.versions[key], content) for key, content in self.changed.items()]


class OnlineScoring:
    """Scores the events of one product; belongs to one thread, as its store and arms do."""

    def __init__(
        self,
        facts: EventFacts,
        store: ScoringStore,
        arms: ReleasedArms,
        *,
        policy: CapturePolicy = "refuse",
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`policy` says what happens when a score cannot be captured: `refuse` raises, `score` answers and counts.

        `clock` gives seconds, for latencies; the default measures none.
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

        Raises: OnlineStoreError as `score` does.
        """
        outcomes: list[Outcome] = []
        asked = [self._keys(request) for request in requests]
        keys = list(dict.fromkeys([key for events in asked for found in events for key in found or ()]))
        is_any_late = any(
            self.arms.features.is_late(event, now=request.received_at)
            for request in requests
            for event in request.events
        )
        for _ in range(ATTEMPTS):
            states = self._read(keys, is_any_late=is_any_late)
            outcomes = [
                self._try(request, events, states) for request, events in zip(requests, asked, strict=True)
            ]
            if self._commit(states, outcomes):
                return outcomes
            self.conflicts += 1
        raise OnlineStoreError(
            f"other workers changed {', '.join(keys[:3])} {ATTEMPTS} times during one request: send it again"
        )

    def features_of(self, event: Event, *, received_at: int) -> tuple[ScoringArm, tuple[float | None, ...]]:
        """Return the arm that would answer and its feature vector, as of the event's own time; nothing is changed.

        Raises: InvalidEventError and OnlineStoreError as `score` does.
        """
        features = self.arms.features
        keys = features.keys(event)
        states = self._read(list(keys), is_any_late=features.is_late(event, now=received_at))
        answer = features.answer(
            event,
            [states.contents[key] for key in keys],
            known_at=self._known_at(event, received_at),
            empty=states.empty,
        )
        arm = self.arms.route(self._entity(event))
        return arm, arm.vector(answer.features)

    def _keys(self, request: ScoringRequest) -> list[tuple[str, ...] | None]:
        """State keys of each event; one whose keys cannot be told has None, and is refused when it is scored."""
        found: list[tuple[str, ...] | None] = []
        for event in request.events:
            try:
                found.append(self.arms.features.keys(event))
            except InvalidEventError:
                found.append(None)
        return found

    def _read(self, keys: list[str], *, is_any_late: bool) -> _States:
        if self.facts.event_timestamp is None:
            return _States({}, {}, b"")
        read = self.store.read(keys)
        needs_empty = is_any_late or any(state.version == ABSENT for state in read)
        return _States(
            {key: state.version for key, state in zip(keys, read, strict=True)},
            {key: state.content for key, state in zip(keys, read, strict=True)},
            self.store.read([self.arms.features.empty_key])[0].content if needs_empty else b"",
        )

    def _try(self, request: ScoringRequest, keys: list[tuple[str, ...] | None], states: _States) -> Outcome:
        before = dict(states.contents), dict(states.changed)
        scored: list[ScoredEvent] = []
        for index, (event, found) in enumerate(zip(request.events, keys, strict=True)):
            try:
                scored.append(self._score_event(event, request, found, states))
            except ServingError as error:
                if isinstance(error, InvalidEventError):
                    error.event = index
                if isinstance(error, UnansweredError):
                    earlier = [one.failed for one in scored if one.failed is not None]
                    error.failures = (*earlier, *error.failures)
                states.contents, states.changed = before
                return error
        return scored

    def _score_event(
        self, event: Event, request: ScoringRequest, keys: tuple[str, ...] | None, states: _States
    ) -> ScoredEvent:
        if keys is None:
            keys = self.arms.features.keys(event)  # raises what they cannot be told for
        routed = self.arms.route(self._entity(event))
        answer = self._answer_features(event, request, keys, states, routed)
        failures: list[PredictionRecord] = []
        cause: Exception | None = None
        for arm in dict.fromkeys((routed, self.arms.champion)):
            try:
                vector, score = score_by(arm, answer.features)
            except Exception as error:  # whatever a model raises: it is captured, and the champion stands in
                failures.append(self._failure(event, request, arm, answer.known_at, error))
                cause = error
                continue
            if answer.states is not None:
                for key, content in zip(keys, answer.states, strict=True):
                    if content is not None:
                        states.contents[key] = states.changed[key] = content
            record = self._record(event, request, arm, answer.known_at, features=vector, score=score)
            return ScoredEvent(record, answer.features, failures[0] if failures else None)
        versions = " and ".join(str(one.version) for one in failures)
        raise UnansweredError(f"version {versions} could not score the event", failures=failures) from cause

    def _answer_features(
        self,
        event: Event,
        request: ScoringRequest,
        keys: tuple[str, ...],
        states: _States,
        routed: ScoringArm,
    ) -> OnlineAnswer:
        """Compute the event's features; what goes wrong unforeseen is a failure of the arm that was to answer."""
        known_at = self._known_at(event, request.received_at)
        try:
            return self.arms.features.answer(
                event, [states.contents[key] for key in keys], known_at=known_at, empty=states.empty
            )
        except ServingError:
            raise
        except Exception as error:
            failure = self._failure(event, request, routed, known_at, error)
            raise UnansweredError("the event's features could not be computed", failures=[failure]) from error

    def _failure(
        self,
        event: Event,
        request: ScoringRequest,
        arm: ScoringArm,
        known_at: int | None,
        error: Exception,
    ) -> PredictionRecord:
        return self._record(event, request, arm, known_at, error=failure_text(error))

    def _record(
        self,
        event: Event,
        request: ScoringRequest,
        arm: ScoringArm,
        known_at: int | None,
        *,
        features: tuple[float | None, ...] = (),
        score: float | None = None,
        error: str | None = None,
    ) -> PredictionRecord:
        event_id, asked = event[self.facts.id_column], dict(event)
        time = self.facts.event_timestamp
        return PredictionRecord(
            prediction_id=prediction_id(event_id, asked, version=arm.version),  # pyright: ignore[reportArgumentType]
            event_id=event_id,  # pyright: ignore[reportArgumentType]
            request=asked,
            event_timestamp=event[time] if time else None,  # pyright: ignore[reportArgumentType]
            known_at=known_at,
            received_at=request.received_at,
            version=arm.version,
            feature_view=arm.view_digest,
            role=arm.role,
            plan_sequence=self.arms.sequence,
            features=features,
            score=score,
            threshold=arm.threshold,
            decision=None if score is None else int(score >= arm.threshold),
            latency_seconds=self._clock() - request.started,
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

    def _commit(self, states: _States, outcomes: list[Outcome]) -> bool:
        records = [record for outcome in outcomes for record in captured_of(outcome)]
        if not records:
            return True
        try:
            is_done = self.store.commit(states.changes(), [encode_record(record) for record in records])
        except OnlineStoreError:
            self.capture_failures += sum(len(outcome) for outcome in outcomes if isinstance(outcome, list))
            if self.policy == "refuse":
                self.refuses_captures = True
                raise
            return True
        self.refuses_captures = False
        return is_done
