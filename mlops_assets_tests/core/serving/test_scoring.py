"""Scoring on a real store: one atomic step per request, the arm of the plan, and nothing lost or guessed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import InvalidEventError, KnownEventError, OnlineStoreError, PackagingError
from mlops_assets.core.features.online.entity_state import empty_state
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import CapturedRecord, OnlineStore, StateChange, StoredState
from mlops_assets.core.release.plan import Arm, Mode, ReleasePlan, Role
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms, ScoringArm
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets.core.serving.scoring import (
    EventFacts,
    OnlineScoring,
    ScoringRequest,
    UnansweredError,
    score_silently,
)
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product

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

    def forget_captured(self, *, until: str) -> None:
        self.inner.forget_captured(until=until)

    def captured_count(self) -> int:
        return self.inner.captured_count()

    def clear(self) -> None:
        self.inner.clear()

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product("fraud_detection")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Spoilt]:
    opened = Spoilt(open_online_store(str(tmp_path), "fraud_detection"))
    yield opened
    opened.close()


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


@pytest.fixture
def scoring(sampled: SampledProduct, store: Spoilt) -> OnlineScoring:
    return OnlineScoring(FACTS, store, arms_of(sampled))


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


def test_the_record_is_captured_before_it_is_returned(scoring: OnlineScoring, store: Spoilt) -> None:
    records = scoring.score([event(1), event(2, at=NOW + HOUR)], received_at=NOW + 2 * HOUR)
    assert captured(store) == records
    assert [count_1d(scoring, record) for record in records] == [1.0, 2.0]


def test_a_late_event_that_the_newest_load_cannot_answer_is_refused_though_its_entities_were_left_out_of_it(
    scoring: OnlineScoring, store: Spoilt
) -> None:
    week, key = 7 * 24 * HOUR, scoring.arms.features.empty_key
    scoring.score([event(1, at=NOW - week - 2 * HOUR)], received_at=NOW - week - 2 * HOUR)
    assert store.commit([StateChange(key, store.read([key])[0].version, empty_state(NOW - week))], [])
    late = event(2, at=NOW - week - HOUR)
    for ask in (
        scoring.score,
        lambda events, received_at: scoring.features_of(*events, received_at=received_at),
    ):
        with pytest.raises(InvalidEventError, match=f"lies before {NOW - week}"):
            ask([late], received_at=NOW)
    (record,) = scoring.score([event(3, at=NOW - week)], received_at=NOW)
    assert count_1d(scoring, record) == 2.0


def test_an_event_sent_again_changes_no_state_and_has_the_same_answer(
    scoring: OnlineScoring, store: Spoilt
) -> None:
    (first,) = scoring.score([event(1)], received_at=NOW)
    scoring.score([event(2, at=NOW + HOUR)], received_at=NOW + HOUR)
    keys = scoring.arms.features.keys(event(1))
    before = store.read(keys)
    (again,) = scoring.score([event(1)], received_at=NOW + 9 * HOUR)
    assert store.read(keys) == before
    assert (again.prediction_id, again.features, again.score) == (
        first.prediction_id,
        first.features,
        first.score,
    )


def test_a_request_with_an_invalid_event_leaves_no_trace_and_names_it(
    scoring: OnlineScoring, store: Spoilt
) -> None:
    scoring.score([event(1)], received_at=NOW)
    with pytest.raises(KnownEventError) as caught:
        scoring.score([event(2, at=NOW + HOUR), event(1, amount=99.0)], received_at=NOW)
    assert caught.value.event == 1
    (third,) = scoring.score([event(3, at=NOW + 2 * HOUR)], received_at=NOW)
    assert count_1d(scoring, third) == 2.0
    assert [record.event_id for record in captured(store)] == [1, 3]


def test_requests_of_one_step_see_each_other_and_a_wrong_one_does_not_touch_its_neighbours(
    scoring: OnlineScoring, store: Spoilt
) -> None:
    requests = [
        ScoringRequest([event(1)], NOW),
        ScoringRequest([event(2, at=NOW + HOUR), event(1, amount=7.0)], NOW),
        ScoringRequest([event(3, at=NOW + HOUR)], NOW),
    ]
    first, wrong, third = scoring.answer(requests)
    assert isinstance(first, list)
    assert isinstance(wrong, InvalidEventError)
    assert isinstance(third, list)
    assert count_1d(scoring, third[0].record) == 2.0
    assert [record.event_id for record in captured(store)] == [1, 3]


def test_a_conflict_with_another_worker_is_answered_anew(
    sampled: SampledProduct, scoring: OnlineScoring, store: Spoilt
) -> None:
    store.conflicts = 2
    scoring.score([event(1)], received_at=NOW)
    assert scoring.conflicts == 2
    assert len(captured(store)) == 1
    other = OnlineScoring(FACTS, store, arms_of(sampled))
    (second,) = other.score([event(2, at=NOW + HOUR)], received_at=NOW)
    assert count_1d(scoring, second) == 2.0


def test_an_endless_conflict_is_an_error_of_the_store(scoring: OnlineScoring, store: Spoilt) -> None:
    store.conflicts = 10_000
    with pytest.raises(OnlineStoreError, match="send it again"):
        scoring.score([event(1)], received_at=NOW)


def test_states_that_cannot_be_read_are_never_guessed(scoring: OnlineScoring, store: Spoilt) -> None:
    scoring.policy = "score"
    store.fails_to_read = True
    with pytest.raises(OnlineStoreError, match="away"):
        scoring.score([event(1)], received_at=NOW)


def test_the_policy_decides_what_happens_when_nothing_can_be_captured(
    scoring: OnlineScoring, store: Spoilt
) -> None:
    store.fails_to_commit = True
    with pytest.raises(OnlineStoreError, match="disk full"):
        scoring.score([event(1)], received_at=NOW)
    scoring.policy = "score"
    (record,) = scoring.score([event(1)], received_at=NOW)
    assert record.score is not None
    assert scoring.capture_failures == 2
    store.fails_to_commit = False
    assert captured(store) == []


def test_a_canary_answers_its_share_of_the_entities_and_always_the_same(
    sampled: SampledProduct, store: Spoilt
) -> None:
    standing = plan("canary", (1, 75, "champion"), (2, 25, "challenger"))
    scoring = OnlineScoring(FACTS, store, arms_of(sampled, standing))
    first = [scoring.score([event(n, customer=n)], received_at=NOW)[0] for n in range(200)]
    again = [
        scoring.score([event(1000 + n, customer=n, at=NOW + HOUR)], received_at=NOW)[0] for n in range(200)
    ]
    assert [record.version for record in first] == [record.version for record in again]
    challenged = [record for record in first if record.version == 2]
    assert 25 <= len(challenged) <= 80
    assert {(record.role, record.threshold, record.plan_sequence) for record in challenged} == {
        ("challenger", 0.9, 7)
    }


Fault = Exception | float


def break_versions(monkeypatch: pytest.MonkeyPatch, faults: dict[int, Fault]) -> None:
    """Let the models of these versions raise, or return a number."""
    works = ScoringArm.score

    def score(arm: ScoringArm, vector: Sequence[float | None]) -> float:
        fault = faults.get(arm.version)
        if isinstance(fault, Exception):
            raise fault
        return works(arm, vector) if fault is None else fault

    monkeypatch.setattr(ScoringArm, "score", score)


EVERYBODY = ("canary", (1, 0, "champion"), (2, 100, "challenger"))


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (PackagingError("damaged"), "damaged"),
        (ValueError("no such category"), "ValueError: no such category"),
        (float("nan"), "the score nan is no probability"),
        (1.5, "the score 1.5 is no probability"),
    ],
)
def test_a_challenger_that_fails_is_answered_by_the_champion_and_its_failure_captured(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch, fault: Fault, text: str
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled, plan(*EVERYBODY)))
    break_versions(monkeypatch, {2: fault})
    (answered,) = scoring.score([event(1)], received_at=NOW)
    assert (answered.version, answered.role) == (1, "champion")
    failed = next(record for record in captured(store) if record.version == 2)
    assert (failed.role, failed.error, failed.score, failed.features) == ("challenger", text, None, ())


@pytest.mark.parametrize("fault", [PackagingError("damaged"), ValueError("damaged"), float("nan")])
def test_a_failure_of_the_champion_is_captured_and_changes_no_state_so_that_the_request_can_be_sent_again(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled))
    with monkeypatch.context() as broken, pytest.raises(UnansweredError, match="version 1 could not score"):
        break_versions(broken, {1: fault})
        scoring.score([event(1)], received_at=NOW)
    (failed,) = captured(store)
    assert (failed.role, failed.version, failed.score, failed.features) == ("champion", 1, None, ())
    assert failed.error is not None
    (answered,) = scoring.score([event(1)], received_at=NOW + HOUR)
    assert count_1d(scoring, answered) == 1.0
    assert answered.prediction_id == failed.prediction_id
    assert captured(store) == [failed, answered]


def test_when_both_arms_fail_both_failures_are_captured(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled, plan(*EVERYBODY)))
    break_versions(monkeypatch, {1: PackagingError("one"), 2: PackagingError("two")})
    with pytest.raises(UnansweredError, match="version 2 and 1 could not score"):
        scoring.score([event(1)], received_at=NOW)
    assert [(one.role, one.error) for one in captured(store)] == [("challenger", "two"), ("champion", "one")]


def test_a_request_that_no_arm_can_answer_leaves_its_failure_and_does_not_touch_its_neighbours(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled))
    works = ScoringArm.score

    def fails_at_7(arm: ScoringArm, vector: Sequence[float | None]) -> float:
        if 7.0 in vector:
            raise ValueError("7")
        return works(arm, vector)

    monkeypatch.setattr(ScoringArm, "score", fails_at_7)
    requests = [
        ScoringRequest([event(1)], NOW),
        ScoringRequest([event(2, at=NOW + HOUR), event(3, at=NOW + HOUR, amount=7.0)], NOW),
        ScoringRequest([event(4, at=NOW + HOUR)], NOW),
    ]
    first, failed, last = scoring.answer(requests)
    assert isinstance(first, list)
    assert isinstance(failed, UnansweredError)
    assert isinstance(last, list)
    assert count_1d(scoring, last[0].record) == 2.0
    assert [(one.event_id, one.error) for one in captured(store)] == [
        (1, None),
        (3, "ValueError: 7"),
        (4, None),
    ]


def test_features_that_cannot_be_computed_are_a_failure_of_the_arm_that_was_to_answer(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled, plan(*EVERYBODY)))

    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(scoring.arms.features, "answer", fails)
    with pytest.raises(UnansweredError, match="features could not be computed"):
        scoring.score([event(1)], received_at=NOW)
    (failed,) = captured(store)
    assert (failed.role, failed.error) == ("challenger", "ZeroDivisionError: division by zero")


def test_a_failure_that_cannot_be_captured_is_an_error_of_the_store(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = OnlineScoring(FACTS, store, arms_of(sampled))
    break_versions(monkeypatch, {1: PackagingError("damaged")})
    store.fails_to_commit = True
    with pytest.raises(OnlineStoreError, match="disk full"):
        scoring.score([event(1)], received_at=NOW)


def test_whatever_a_shadow_raises_is_captured(
    sampled: SampledProduct, store: Spoilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = plan("shadow", (1, 100, "champion"), (2, 0, "shadow"))
    scoring = OnlineScoring(FACTS, store, arms_of(sampled, standing))
    (outcome,) = scoring.answer([ScoringRequest([event(1)], NOW)])
    break_versions(monkeypatch, {2: ValueError("damaged")})
    assert isinstance(outcome, list)
    assert scoring.arms.shadow is not None
    score_silently(store, scoring.arms.shadow, outcome, clock=lambda: 0.0)
    assert (captured(store)[-1].role, captured(store)[-1].error) == ("shadow", "ValueError: damaged")


def test_a_shadow_scores_the_same_event_beside_the_answer(sampled: SampledProduct, store: Spoilt) -> None:
    scoring = OnlineScoring(
        FACTS, store, arms_of(sampled, plan("shadow", (1, 100, "champion"), (2, 0, "shadow")))
    )
    (outcome,) = scoring.answer([ScoringRequest([event(1)], NOW)])
    assert isinstance(outcome, list)
    shadow = scoring.arms.shadow
    assert shadow is not None
    score_silently(store, shadow, outcome, clock=lambda: 0.0)
    champion, silent = captured(store)
    assert (silent.role, silent.version, silent.features) == ("shadow", 2, champion.features)
    assert silent.prediction_id != champion.prediction_id


def test_arms_with_other_features_get_their_own_vectors(sampled: SampledProduct, store: Spoilt) -> None:
    from mlops_assets_tests.support.small_model import small_model

    names = ("terminal_transaction_count_7d", "amount_usd", "customer_mean_amount_1d")
    other = replace(small_model(), feature_names=names)
    versions = {1: LoadedVersion(1, sampled.model, 0.1), 2: LoadedVersion(2, other, 0.9)}
    standing = plan("canary", (1, 0, "champion"), (2, 100, "challenger"))
    arms = ReleasedArms("fraud_detection", sampled.product.view, versions, plan=standing)
    (record,) = OnlineScoring(FACTS, store, arms).score([event(1, amount=12.5)], received_at=NOW)
    assert record.features == (0.0, 12.5, 12.5)
