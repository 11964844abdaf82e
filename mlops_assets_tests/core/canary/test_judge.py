"""Advance, hold or roll back, on requests of known rates; and each key of the policy by its effect."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from mlops_assets.core.canary.judge import Answer, Judgement, judge
from mlops_assets.core.canary.questions import Reference, loss_of_decision, questions
from mlops_assets.core.canary.score_reference import ScoreEvent
from mlops_assets.core.product_spec import CanaryJudge, Cost
from mlops_assets_tests.support.canary_rows import CANARY, NOW, SINCE, observed

COST = Cost(false_positive=5, false_negative=100)
DECISION = ScoreEvent("decision", 0.5, 0.5, is_above=True, expected=1.0, low=1.0, high=1.0)
KNOWN = Reference(latency_limit_seconds=0.5, scores=(DECISION,))


def judged(
    rows: pl.DataFrame, *, now: datetime = NOW, known: Reference = KNOWN, **policy: object
) -> Judgement:
    return judge(
        rows,
        canary=CANARY,
        reference=known,
        policy=CanaryJudge.model_validate(policy),
        cost=COST,
        now=now,
    )


def answer(judgement: Judgement, name: str) -> Answer:
    return next(one for one in judgement.answers if one.question.name == name)


def test_an_equally_good_challenger_advances_and_the_reason_has_the_numbers() -> None:
    found = judged(observed())
    assert found.action == "advance"
    assert found.requests == answer(found, "error").challenger_requests
    assert found.reason.startswith(
        f"version 2 at 50 % has answered {found.requests:,} requests in 180 minutes and no evidence of harm is strong"
    )


@pytest.mark.parametrize(
    ("rates", "question"),
    [
        ({"errors": (0.002, 0.03)}, "error"),
        ({"slow": (0.05, 0.15)}, "latency"),
        ({"positive": (0.1, 0.3)}, "more_decisions"),
        ({"positive": (0.3, 0.1)}, "fewer_decisions"),
        ({"wrong": (0.02, 0.08)}, "loss"),
    ],
)
def test_harm_of_each_kind_is_rolled_back_and_named(
    rates: dict[str, tuple[float, float]], question: str
) -> None:
    found = judged(observed(**rates))  # type: ignore[arg-type]
    assert found.action == "roll_back"
    assert found.reason.startswith(f"version 2 at 50 % does harm: {question} ")
    assert [one.question.name for one in found.answers if one.verdict == "harm"] == [question]


def test_the_same_fault_in_both_arms_is_not_the_challengers() -> None:
    found = judged(observed(errors=(0.05, 0.05), slow=(0.4, 0.4), positive=(0.5, 0.5), wrong=(0.3, 0.3)))
    assert found.action == "advance"


def test_a_changed_challenger_is_judged_by_what_the_evaluation_predicts() -> None:
    rows = observed(positive=(0.1, 0.25))
    predicted = ScoreEvent("decision", 0.5, 0.5, is_above=True, expected=3.0, low=2.9, high=3.1)
    assert judged(rows, known=Reference(scores=(predicted,))).action == "advance"
    assert judged(rows, known=Reference(scores=(DECISION,)), score_odds_ratio=1.2).action == "roll_back"


def test_nothing_is_asked_about_what_is_not_known_beforehand() -> None:
    asked = questions(CanaryJudge(), Reference(), COST)
    assert [one.name for one in asked] == ["error", "loss"]


def test_no_request_holds_the_challenger() -> None:
    found = judged(observed(requests=10).clear())
    assert found.action == "hold"
    assert "has answered 0 of at least 1,000 requests" in found.reason
    assert found.evidence.height == 5
    assert found.evidence["challenger_share"].is_null().all()


def test_harm_that_was_once_certain_stays_certain() -> None:
    bad = observed(requests=2_000, errors=(0.0, 0.05))
    good = observed(requests=2_000, seed=1).with_columns(
        pl.col("received_at") + timedelta(hours=2), event_id="g" + pl.col("event_id")
    )
    assert judged(bad).action == "roll_back"
    assert judged(pl.concat([bad, good])).action == "roll_back"


def test_losses_are_judged_in_the_order_in_which_outcomes_become_known() -> None:
    rows = observed(wrong=(0.02, 0.08))
    late = rows.with_columns(outcome_known_at=pl.col("received_at").reverse() + timedelta(hours=3))
    times = [at for at, _ in answer(judged(late), "loss").path]
    assert times == sorted(times)
    assert times[0] >= SINCE + timedelta(hours=3)


def test_unknown_outcomes_are_no_loss() -> None:
    assert answer(judged(observed()), "loss").challenger_requests == 0


def test_a_decision_costs_its_share_of_the_costliest_mistake() -> None:
    rows = pl.DataFrame({"decision": [1, 1, 0, 0, None, 1], "outcome": [0, 1, 1, 0, 1, None]})
    assert rows.select(loss_of_decision(COST)).to_series().to_list() == [0.05, 0.0, 1.0, 0.0, None, None]
    free = Cost(false_positive=0, false_negative=0)
    assert rows.select(loss_of_decision(free)).to_series().to_list() == [0.0, 0.0, 0.0, 0.0, None, None]


BAD = observed(errors=(0.002, 0.016))
FEW = observed(requests=600)


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ({}, "roll_back"),
        ({"alpha": 1e-9}, "hold"),
        ({"error_odds_ratio": 10}, "advance"),
        ({"error_rate_difference": 0.05}, "hold"),
        ({"alpha": 1e-9, "hold_evidence": 1e6}, "advance"),
    ],
)
def test_how_much_evidence_of_how_much_harm_is_needed_is_the_policys(
    policy: dict[str, Any], action: str
) -> None:
    assert judged(BAD, **policy).action == action


@pytest.mark.parametrize(
    ("policy", "rates"),
    [
        ({"latency_odds_ratio": 8}, {"slow": (0.05, 0.15)}),
        ({"score_odds_ratio": 8}, {"positive": (0.1, 0.3)}),
        ({"loss_odds_ratio": 12}, {"wrong": (0.02, 0.08)}),
    ],
)
def test_a_wider_margin_lets_the_same_challenger_pass(
    policy: dict[str, Any], rates: dict[str, tuple[float, float]]
) -> None:
    rows = observed(**rates)  # type: ignore[arg-type]
    assert judged(rows).action == "roll_back"
    assert judged(rows, **policy).action == "advance"


def test_the_minimum_of_requests_and_of_minutes_is_waited_for() -> None:
    assert judged(FEW).action == "hold"
    assert judged(FEW, minimum_requests=200).action == "advance"
    early = SINCE + timedelta(minutes=30)
    assert judged(FEW, minimum_requests=200, now=early).action == "hold"
    assert judged(FEW, minimum_requests=200, minimum_minutes=20, now=early).action == "advance"


def test_proof_waits_until_every_margin_is_excluded() -> None:
    rows = observed()
    found = judged(rows, advance_on="proof")
    assert found.action == "hold"
    assert "the odds ratio of error may be up to" in found.reason
    wide: dict[str, Any] = {"error_odds_ratio": 50, "latency_odds_ratio": 5, "score_odds_ratio": 5}
    assert judged(rows, advance_on="proof", **wide).action == "advance"


def test_the_warm_up_is_not_compared() -> None:
    cold = observed(requests=4_000).with_columns(
        has_failed=pl.when("is_challenger")
        .then(pl.col("received_at") < SINCE + timedelta(minutes=10))
        .otherwise(pl.col("has_failed"))
    )
    assert judged(cold).action == "roll_back"
    assert judged(cold, warm_up_seconds=600).action == "advance"


def test_a_difference_that_is_not_worth_a_rollback_says_so() -> None:
    found = judged(BAD, error_rate_difference=0.05)
    assert found.reason.endswith("a difference below the 5.00% that is worth a rollback")


def test_the_evidence_table_has_one_row_per_question() -> None:
    found = judged(observed(wrong=(0.02, 0.08))).evidence
    assert found["question"].to_list() == ["error", "latency", "more_decisions", "fewer_decisions", "loss"]
    assert found.filter(question="loss")["verdict"].item() == "harm"
    assert (found["odds_ratio_low"] <= found["odds_ratio_high"]).all()


def test_the_parts_of_alpha_sum_to_alpha() -> None:
    asked = questions(CanaryJudge(alpha=0.02), KNOWN, COST)
    assert sum(one.alpha for one in asked) == pytest.approx(0.02)
