"""From events to captured predictions: state, features, routing, score and record, in one atomic step.

The same object answers behind HTTP, in the parity replay and in the drills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import msgspec

from mlops_assets.core.errors import InvalidEventError, OnlineStoreError, PlatformError, ServingError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.online_store.protocol import ABSENT, OnlineStore, ScoringStore, StateChange
from mlops_assets.core.product import Product
from mlops_assets.core.serving.arms import ReleasedArms, ScoringArm
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
    def of(cls, product: Product) -> Self:
        """The columns of a product: its first entity decides the arm, or the id where it declares none."""
        entity = (*product.spec.entities, product.spec.id_column)[0]
        return cls(product.spec.id_column, product.view.event_timestamp, entity)


class ScoringRequest(msgspec.Struct, frozen=True):
    """The events of one request, which are answered together or not at all."""

    events: Sequence[Event]
    received_at: int
    """Microseconds since the epoch, UTC."""
    started: float = 0.0
    """On the scoring's own clock, when the request arrived; for latencies."""


class ScoredEvent(msgspec.Struct, frozen=True):
    """An event's answer, and what a shadow needs to score it too."""

    record: PredictionRecord
    """Of the arm that answered."""
    features: tuple[float | None, ...]
    """In the order of `ReleasedArms.names`."""
    failed: PredictionRecord | None = None
    """Of the challenger that should have answered but raised."""


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
        self.conflicts = 0
        """Attempts that were repeated because another worker had changed a state."""
        self._clock = clock

    def score(self, events: Sequence[Event], *, received_at: int) -> list[PredictionRecord]:
        """Score the events of one request, in their order; one record per event, of the arm that answered.

        An event sees those before it in the request. An event that was scored already gets the features it had, and
        changes nothing.

        Raises: InvalidEventError, with the event's place in the request, when one cannot be scored as sent; then none
        is. OnlineStoreError when states cannot be read, or predictions cannot be captured under the policy `refuse`.
        """
        (outcome,) = self.answer([ScoringRequest(events, received_at, self._clock())])
        if isinstance(outcome, ServingError):
            raise outcome
        return [scored.record for scored in outcome]

    def answer(self, requests: Sequence[ScoringRequest]) -> list[list[ScoredEvent] | ServingError]:
        """Answer several requests in one atomic step: one read of all states, one commit.

        A request with an invalid event gets its error and leaves no trace; the others do not notice.

        Raises: OnlineStoreError as `score` does.
        """
        outcomes: list[list[ScoredEvent] | ServingError] = []
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

    def _try(
        self, request: ScoringRequest, keys: list[tuple[str, ...] | None], states: _States
    ) -> list[ScoredEvent] | ServingError:
        before = dict(states.contents), dict(states.changed)
        scored = []
        for index, (event, found) in enumerate(zip(request.events, keys, strict=True)):
            try:
                scored.append(self._score_event(event, request, found, states))
            except ServingError as error:
                if isinstance(error, InvalidEventError):
                    error.event = index
                states.contents, states.changed = before
                return error
        return scored

    def _score_event(
        self, event: Event, request: ScoringRequest, keys: tuple[str, ...] | None, states: _States
    ) -> ScoredEvent:
        arms = self.arms
        if keys is None:
            keys = arms.features.keys(event)  # raises what they cannot be told for
        asked = self._known_at(event, request.received_at)
        answer = arms.features.answer(
            event, [states.contents[key] for key in keys], known_at=asked, empty=states.empty
        )
        if answer.states is not None:
            for key, content in zip(keys, answer.states, strict=True):
                states.contents[key] = states.changed[key] = content
        arm = arms.route(self._entity(event))
        failed = None
        try:
            record = self._record(event, request, arm, answer.features, answer.known_at)
        except PlatformError as error:
            failed = self._record(event, request, arm, answer.features, answer.known_at, error=str(error))
            if arm is arms.champion:
                raise ServingError(f"version {arm.version} could not score the event: {error}") from error
            record = self._record(event, request, arms.champion, answer.features, answer.known_at)
        return ScoredEvent(record, answer.features, failed)

    def _record(
        self,
        event: Event,
        request: ScoringRequest,
        arm: ScoringArm,
        features: tuple[float | None, ...],
        known_at: int | None,
        *,
        error: str | None = None,
    ) -> PredictionRecord:
        vector = () if error else arm.vector(features)
        score = None if error else arm.score(vector)
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
            role=arm.role,
            plan_sequence=self.arms.sequence,
            features=vector,
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

    def _commit(self, states: _States, outcomes: list[list[ScoredEvent] | ServingError]) -> bool:
        scored = [one for outcome in outcomes if isinstance(outcome, list) for one in outcome]
        if not scored:
            return True
        records = [record for one in scored for record in (one.record, one.failed) if record is not None]
        try:
            return self.store.commit(states.changes(), [encode_record(record) for record in records])
        except OnlineStoreError:
            self.capture_failures += len(scored)
            if self.policy == "refuse":
                raise
            return True


def score_silently(
    store: OnlineStore, shadow: ScoringArm, scored: Sequence[ScoredEvent], *, clock: Callable[[], float]
) -> list[PredictionRecord]:
    """Let a shadow score what others answered, and capture it beside; nobody waits for this.

    Raises: OnlineStoreError when the predictions cannot be captured.
    """
    records = []
    for one in scored:
        started = clock()
        vector, score, error = shadow.vector(one.features), None, None
        try:
            score = shadow.score(vector)
        except PlatformError as problem:
            vector, error = (), str(problem)
        record = one.record
        records.append(
            PredictionRecord(
                prediction_id=prediction_id(record.event_id, record.request, version=shadow.version),
                event_id=record.event_id,
                request=record.request,
                event_timestamp=record.event_timestamp,
                known_at=record.known_at,
                received_at=record.received_at,
                version=shadow.version,
                role="shadow",
                plan_sequence=record.plan_sequence,
                features=vector,
                score=score,
                threshold=shadow.threshold,
                decision=None if score is None else int(score >= shadow.threshold),
                latency_seconds=clock() - started,
                error=error,
            )
        )
    store.commit([], [encode_record(record) for record in records])
    return records
