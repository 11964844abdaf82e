"""Scoring on a real store: one atomic step per request, the arm of the plan, and nothing lost or guessed."""

from dataclasses import replace

import pytest

from mlops_assets.core.errors import InvalidEventError, KnownEventError, OnlineStoreError
from mlops_assets.core.features.online.entity_state import empty_state
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.serving.arm_scores import score_silently
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.outcome import ScoringRequest
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets.core.times import shown_time
from mlops_assets_tests.support.homes.product_bento import SampledProduct
from mlops_assets_tests.support.scored_requests import (
    FACTS,
    HOUR,
    NOW,
    Spoilt,
    arms_of,
    captured,
    count_1d,
    event,
    plan,
)


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
        with pytest.raises(InvalidEventError, match=f"lies before {shown_time(NOW - week)}"):
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
