"""A lakehouse, a store of online states and a client, without time or threads: for tests of the online executor."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.features.online.executor import OnlineAnswer, OnlineFeatures
from mlops_assets.core.features.online.states import build_states, merge_state
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import MICROSECOND, as_microseconds
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import VIEW, event, frames

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND


@dataclass
class OnlineWorld:
    """States by key, and what was served from them."""

    view: FeatureView
    names: Sequence[str] | None = None
    lateness: timedelta = timedelta(days=7)
    is_text_id: bool = False
    states: dict[str, bytes] = field(default_factory=dict)
    served: dict[int, EventVersion] = field(default_factory=dict)
    vectors: dict[int, tuple[float | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.features = OnlineFeatures(self.view, self.names, lateness=self.lateness)

    def frames(
        self, events: Sequence[EventVersion], labels: Sequence[LabelVersion]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        of_events, of_labels = frames(list(events), list(labels))
        if not self.is_text_id:
            return of_events, of_labels
        return of_events.cast({"id": pl.String}), of_labels.cast({"id": pl.String})

    def load(
        self, events: Sequence[EventVersion], labels: Sequence[LabelVersion], *, as_of: datetime
    ) -> None:
        loaded = build_states(self.view, *self.frames(events, labels), as_of=as_of, lateness=self.lateness)
        for key, state in loaded:
            merged = merge_state(self.view, key, self.states.get(key, b""), state)
            assert merge_state(self.view, key, merged, state) == merged
            self.states[key] = merged

    def request(self, event: EventVersion) -> dict[str, Value]:
        return {
            "id": str(event.id) if self.is_text_id else event.id,
            "event_timestamp": as_microseconds(event.event_timestamp),
            "customer": event.customer,
            "terminal": event.terminal,
            "amount": event.amount,
        }

    def answer(self, event: EventVersion) -> OnlineAnswer:
        request = self.request(event)
        keys = self.features.keys(request)
        return self.features.answer(
            request,
            [self.states.get(key, b"") for key in keys],
            known_at=as_microseconds(event.known_at),
            empty=self.states.get(self.features.empty_key, b""),
        )

    def serve(self, event: EventVersion) -> OnlineAnswer:
        answer = self.answer(event)
        if answer.states is not None:
            keys = self.features.keys(self.request(event))
            self.states.update(zip(keys, answer.states, strict=True))
            known = replace(event, known_at=moment(answer.known_at or 0))
            self.served[event.id], self.vectors[event.id] = known, answer.features
        return answer

    def offline(
        self, events: Sequence[EventVersion], labels: Sequence[LabelVersion]
    ) -> dict[int, tuple[float | None, ...]]:
        """The vectors of the served events by the offline executor, among `events` and as they were captured."""
        computed = compute_features(self.view, *self.frames([*events, *self.served.values()], labels))
        rows = computed.select("id", pl.col(self.features.names).cast(pl.Float64)).iter_rows()
        vectors = {int(row[0]): tuple(row[1:]) for row in rows}
        return {event_id: vectors[event_id] for event_id in self.served}


def bits(vector: Sequence[float | None]) -> list[str]:
    """Equal for vectors that are equal to the last bit."""
    return ["null" if value is None else float(value).hex() for value in vector]


def served(world: OnlineWorld, *events: EventVersion) -> dict[str, float | None]:
    """The features of the last of the events, served one after the other."""
    answers = [world.serve(each) for each in events]
    return dict(zip(world.features.names, answers[-1].features, strict=True))


FIRST = event(1, 0, amount=3.0)
VALID = OnlineWorld(VIEW).request(FIRST)
"""The first event as a request."""
