"""What a canary is asked: harm in [0, 1], alpha never overspent, and nothing without a reference."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.canary.questions import Question, Reference, loss_of_decision, questions
from mlops_assets.core.canary.score_reference import ScoreEvent
from mlops_assets.core.product_spec import CanaryJudge, Cost

COST = Cost(false_positive=1, false_negative=4, unit="EUR")
HIGH = ScoreEvent(
    name="high_score", is_above=True, champion_cut=0.8, challenger_cut=0.7, expected=1.5, low=1.2, high=2.0
)
LOW = ScoreEvent(
    name="low_score", is_above=False, champion_cut=0.1, challenger_cut=0.2, expected=1.0, low=0.8, high=1.2
)
POLICY = CanaryJudge()


def asked(reference: Reference = Reference(0.5, (HIGH, LOW))) -> dict[str, Question]:  # noqa: B008 - it is frozen
    return {question.name: question for question in questions(POLICY, reference, COST)}


def test_each_score_event_is_asked_in_both_directions_with_its_own_margins() -> None:
    found = asked()
    assert [name for name in found] == [
        "error", "latency", "more_high_scores", "fewer_high_scores", "more_low_scores", "fewer_low_scores", "loss"
    ]  # fmt: skip
    more, fewer = found["more_high_scores"], found["fewer_high_scores"]
    assert (more.expected, more.limit) == (1.5, 2.0 * POLICY.score_odds_ratio)
    assert (fewer.expected, fewer.limit) == (1.5, 1.2 / POLICY.score_odds_ratio)


@pytest.mark.parametrize(
    "reference", [Reference(), Reference(0.5), Reference(None, (HIGH,)), Reference(0.5, (HIGH, LOW))]
)
def test_the_questions_together_spend_at_most_the_declared_alpha(reference: Reference) -> None:
    spent = sum(question.alpha for question in asked(reference).values())
    assert spent <= POLICY.alpha * (1 + 1e-12)
    assert all(question.alpha > 0 for question in asked(reference).values())


def test_without_a_reference_only_errors_and_loss_are_asked() -> None:
    assert list(asked(Reference())) == ["error", "loss"]


def test_each_arm_has_the_cut_of_its_own_model() -> None:
    rows = pl.DataFrame(
        {"is_challenger": [False, True, False, True, False], "score": [0.75, 0.75, 0.8, 0.7, None]}
    )
    assert rows.select(asked()["more_high_scores"].harm).to_series().to_list() == [0.0, 1.0, 1.0, 1.0, None]
    low = pl.DataFrame({"is_challenger": [False, True], "score": [0.15, 0.15]})
    assert low.select(asked()["fewer_low_scores"].harm).to_series().to_list() == [0.0, 1.0]


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([0, 1, None]), st.sampled_from([0, 1, None]))
def test_a_wrong_decision_costs_its_share_of_the_costliest_mistake(
    false_positive: int, false_negative: int, decision: int | None, outcome: int | None
) -> None:
    cost = Cost(false_positive=false_positive, false_negative=false_negative, unit="EUR")
    rows = pl.DataFrame(
        {"decision": [decision], "outcome": [outcome]}, schema={"decision": pl.Int8, "outcome": pl.Int8}
    )
    found = rows.select(loss_of_decision(cost)).item()
    if decision is None or outcome is None:
        assert found is None
        return
    paid = {(1, 0): false_positive, (0, 1): false_negative}.get((decision, outcome), 0)
    assert found == pytest.approx(paid / max(false_positive, false_negative, 1))
    assert 0 <= found <= 1
