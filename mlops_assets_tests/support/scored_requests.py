"""Requests for scoring, the arms that answer them, and a store that can be spoilt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.online_store.protocol import CapturedRecord, OnlineStore, StateChange, StoredState
from mlops_assets.core.release.plan import Arm, Mode, ReleasePlan, Role
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets.core.serving.scoring import EventFacts, OnlineScoring
from mlops_assets_tests.support.homes.product_bento import SampledProduct

NOW = 1_767_225_600_000_000  # 2026-01-01


FACTS = EventFacts("transaction_id", "event_timestamp", "customer_id")


HOUR = 3_600_000_000


@dataclass
class Spoilt:
    """A store that fails, or meets another worker, as told."""

    inner: OnlineStore
    fails_to_read: bool = False
    fails_to_commit: bool = False
    conflicts: int = 0

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        if self.fails_to_read:
            raise OnlineStoreError("away")
        return self.inner.read(keys)

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        if self.fails_to_commit:
            raise OnlineStoreError("disk full")
        if self.conflicts:
            self.conflicts -= 1
            return False
        return self.inner.commit(changes, records)

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        return self.inner.captured(after=after, limit=limit)

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        self.inner.forget_captured(records)

    def captured_count(self) -> int:
        return self.inner.captured_count()

    def states(self) -> Iterator[tuple[str, StoredState]]:
        return self.inner.states()

    def state_count(self) -> int:
        return self.inner.state_count()

    def evict(self, versions: Mapping[str, int]) -> int:
        return self.inner.evict(versions)

    def clear(self) -> None:
        self.inner.clear()

    def close(self) -> None:
        self.inner.close()


def plan(mode: Mode, *arms: tuple[int, int, Role]) -> ReleasePlan:
    return ReleasePlan(
        mode=mode,
        arms=tuple(Arm(*arm) for arm in arms),
        since=datetime(2026, 1, 1, tzinfo=UTC),
        by="ann",
        reason="because",
        evidence={},
        sequence=7,
        previous_champion=None,
    )


def arms_of(sampled: SampledProduct, standing: ReleasePlan | None = None) -> ReleasedArms:
    versions = {1: LoadedVersion(1, sampled.model, 0.1), 2: LoadedVersion(2, sampled.model, 0.9)}
    if standing is None:
        del versions[2]
    return ReleasedArms("fraud_detection", sampled.product.view, versions, plan=standing)


def event(number: int, *, at: int = NOW, customer: int = 1, amount: float = 10.0) -> Event:
    return {
        "transaction_id": number,
        "event_timestamp": at,
        "known_at": at,
        "customer_id": customer,
        "terminal_id": customer + 100,
        "amount_usd": amount,
    }


def captured(store: OnlineStore) -> list[PredictionRecord]:
    return [decode_record(one.content) for one in store.captured()]


def count_1d(scoring: OnlineScoring, record: PredictionRecord) -> float | None:
    return record.features[scoring.arms.champion.model.feature_names.index("customer_transaction_count_1d")]
