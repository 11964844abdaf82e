"""Arms that fail: every failure is captured, and nobody else notices."""

from collections.abc import Sequence

import pytest

from mlops_assets.core.errors import OnlineStoreError, PackagingError
from mlops_assets.core.serving.arm_scores import score_silently
from mlops_assets.core.serving.arms import ScoringArm
from mlops_assets.core.serving.outcome import ScoringRequest, UnansweredError
from mlops_assets.core.serving.scoring import OnlineScoring
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
