"""The judgement on a canary: advance, hold or roll back, with the evidence and a sentence why.

Pure: the same requests give the same judgement, however often and whenever it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from mlops_assets.core.canary.anytime_logrank import (
    Blocks,
    Floats,
    Requests,
    block_size,
    confidence_sequence,
    log_e_process,
    make_blocks,
)
from mlops_assets.core.canary.canary import Canary, comparable
from mlops_assets.core.canary.questions import Question, Reference, questions
from mlops_assets.core.product_spec import CanaryJudge, Cost

Action = Literal["advance", "hold", "roll_back"]
Verdict = Literal["harm", "suspicious", "within margin", "open"]
_LARGEST_LOG = 700.0
"""Evidence is shown as a number, which ends there."""


@dataclass(frozen=True)
class Answer:
    """What the requests so far say about one question."""

    question: Question
    verdict: Verdict
    """harm: evidence has reached its limit, and the difference is worth it. suspicious: evidence is strong, or has
    reached its limit over a difference that is not worth a rollback. within margin: the margin is excluded. open: none
    of these.
    """
    challenger_requests: int
    champion_requests: int
    challenger_share: float | None
    """Mean harm per request; None without requests."""
    champion_share: float | None
    evidence: float
    """The largest e-value at any look so far."""
    ratio_low: float
    ratio_high: float
    """Confidence sequence of the odds ratio at the question's own alpha."""
    path: tuple[tuple[datetime, float], ...] = ()
    """When each comparison was complete, and the logarithm of the evidence then."""

    @property
    def evidence_limit(self) -> float:
        """The e-value that means harm."""
        return 1 / self.question.alpha


@dataclass(frozen=True)
class Judgement:
    """What to do with the challenger, and why."""

    action: Action
    reason: str
    answers: tuple[Answer, ...] = ()
    requests: int = 0
    """Requests that the challenger has answered in the step that stands."""

    @property
    def evidence(self) -> pl.DataFrame:
        """One row per question."""
        rows = [_row(answer) for answer in self.answers]
        return pl.DataFrame(rows, schema=EVIDENCE, orient="row")


EVIDENCE: dict[str, pl.DataType] = {
    "question": pl.String(),
    "verdict": pl.String(),
    "challenger_share": pl.Float64(),
    "champion_share": pl.Float64(),
    "odds_ratio_low": pl.Float64(),
    "odds_ratio_high": pl.Float64(),
    "expected": pl.Float64(),
    "margin": pl.Float64(),
    "evidence": pl.Float64(),
    "evidence_limit": pl.Float64(),
    "challenger_requests": pl.Int64(),
    "champion_requests": pl.Int64(),
}


def judge(
    observations: pl.DataFrame,
    *,
    canary: Canary,
    reference: Reference,
    policy: CanaryJudge,
    cost: Cost,
    now: datetime,
) -> Judgement:
    """Judge a canary on its requests so far.

    observations: see `canary.OBSERVATIONS`; requests of other plans are left out. Roll back as soon as the evidence of
    one question has ever reached its limit 1 / alpha, and the difference is worth it. Advance when the step has its
    minimum of requests and minutes, and no question is suspicious (with `advance_on: proof`, when every margin of which
    there are comparable requests is also excluded). Hold otherwise. The probability of ever rolling back a challenger
    within all margins is at most `policy.alpha`, whenever and however often this is asked.

    reference: what was known of both versions before. cost: of a wrong decision, for the losses. now: the time of the
    judgement, UTC.

    Raises: MonitoringError when a column is missing.
    """
    rows = comparable(observations, canary, warm_up=timedelta(seconds=policy.warm_up_seconds))
    answers = tuple(
        answer_question(rows, question, policy=policy) for question in questions(policy, reference, cost)
    )
    in_step = rows.filter(pl.col("plan_sequence") == canary.step.sequence, "is_challenger").height
    action, reason = _decide(answers, requests=in_step, canary=canary, policy=policy, now=now)
    return Judgement(action, reason, answers, in_step)


def evidence_path(rows: pl.DataFrame, question: Question) -> tuple[pl.DataFrame, Blocks, Floats]:
    """Return the requests by which the question compares the arms, in its order and with their `harm`, the blocks that
    tell the arms apart, and the logarithm of the evidence after each: all that there is to look at, at any time.
    """
    asked = _asked(rows, question).filter("is_compared").sort(*question.order)
    factors = question.factors
    blocks = make_blocks(_requests(asked), strata=None if factors is None else len(factors))
    path = log_e_process(blocks, null_ratio=question.limit, direction=question.direction, factors=factors)
    return asked, blocks, path


def answer_question(rows: pl.DataFrame, question: Question, *, policy: CanaryJudge) -> Answer:
    """Compare the arms of comparable requests by one question."""
    compared, blocks, path = evidence_path(rows, question)
    low, high = confidence_sequence(blocks, alpha=question.alpha, factors=question.factors)
    asked = _asked(rows, question)
    arms = {bool(arm): asked.filter(pl.col("is_challenger") == arm)["harm"] for arm in (True, False)}
    times = compared[question.order[0]].gather(blocks.closed_at)
    answer = Answer(
        question=question,
        verdict="open",
        challenger_requests=arms[True].len(),
        champion_requests=arms[False].len(),
        challenger_share=_mean(arms[True]),
        champion_share=_mean(arms[False]),
        evidence=float(np.exp(np.minimum(path.max(initial=0.0), _LARGEST_LOG))),
        ratio_low=low,
        ratio_high=high,
        path=tuple(zip(times.to_list(), path.tolist(), strict=True)),
    )
    return replace(answer, verdict=_verdict(answer, policy))


def _asked(rows: pl.DataFrame, question: Question) -> pl.DataFrame:
    return rows.with_columns(harm=question.harm).filter(pl.col("harm").is_not_null())


def _requests(asked: pl.DataFrame) -> Requests:
    sizes = {percent: block_size(percent) for percent in asked["percent"].unique()}
    return Requests(
        harm=asked["harm"].to_numpy(),
        is_challenger=asked["is_challenger"].to_numpy(),
        entity=asked["entity"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        block_size=asked["percent"].replace_strict(sizes, return_dtype=pl.Int64).to_numpy(),
        step=asked["step"].to_numpy(),
    )


def _mean(harm: pl.Series) -> float | None:
    return float(harm.to_numpy().mean()) if harm.len() else None


def _verdict(answer: Answer, policy: CanaryJudge) -> Verdict:
    question = answer.question
    if answer.evidence >= answer.evidence_limit and _is_worth_it(answer):
        return "harm"
    if answer.evidence >= policy.hold_evidence:
        return "suspicious"
    is_excluded = (
        answer.ratio_high < question.limit
        if question.direction == "more"
        else answer.ratio_low > question.limit
    )
    return "within margin" if is_excluded else "open"


def _is_worth_it(answer: Answer) -> bool:
    if answer.question.minimum_difference == 0:
        return True
    if answer.challenger_share is None or answer.champion_share is None:
        return False
    return answer.challenger_share - answer.champion_share >= answer.question.minimum_difference


def _decide(
    answers: Sequence[Answer], *, requests: int, canary: Canary, policy: CanaryJudge, now: datetime
) -> tuple[Action, str]:
    who = f"version {canary.challenger} at {canary.step.percent} %"
    harmful = [answer for answer in answers if answer.verdict == "harm"]
    if harmful:
        return "roll_back", f"{who} does harm: {'; '.join(_sentence(answer) for answer in harmful)}"
    suspicious = [answer for answer in answers if answer.verdict == "suspicious"]
    if suspicious:
        return "hold", f"{who} is under suspicion: {'; '.join(_sentence(answer) for answer in suspicious)}"
    minutes = (now - canary.step.since).total_seconds() / 60
    if requests < policy.minimum_requests or minutes < policy.minimum_minutes:
        return "hold", (
            f"{who} has answered {requests:,} of at least {policy.minimum_requests:,} requests in {minutes:,.0f} of at "
            f"least {policy.minimum_minutes:,.0f} minutes; nothing speaks against it so far"
        )
    waiting = [answer for answer in answers if answer.verdict == "open" and answer.challenger_requests]
    if policy.advance_on == "proof" and waiting:
        return "hold", f"{who}: {'; '.join(_missing_proof(answer) for answer in waiting)}"
    strongest = max(answers, key=lambda answer: answer.evidence)
    return "advance", (
        f"{who} has answered {requests:,} requests in {minutes:,.0f} minutes and no evidence of harm is strong: the "
        f"largest is {strongest.evidence:.2g}, of {strongest.question.name}, and {policy.hold_evidence:g} would hold it"
    )


def _sentence(answer: Answer) -> str:
    question = answer.question
    bound = "at least" if question.direction == "more" else "at most"
    end = answer.ratio_low if question.direction == "more" else answer.ratio_high
    relation = ">=" if answer.evidence >= answer.evidence_limit else "<"
    text = (
        f"{question.name} {_share(answer.challenger_share)} against the champion's {_share(answer.champion_share)} "
        f"(odds ratio {bound} {end:.3g}, margin {question.limit:.3g}; evidence {answer.evidence:.3g} {relation} "
        f"{answer.evidence_limit:.0f})"
    )
    if answer.verdict == "suspicious" and relation == ">=":
        text += f", a difference below the {question.minimum_difference:.2%} that is worth a rollback"
    return text


def _missing_proof(answer: Answer) -> str:
    question = answer.question
    bound = (
        f"up to {answer.ratio_high:.3g}"
        if question.direction == "more"
        else f"down to {answer.ratio_low:.3g}"
    )
    return f"the odds ratio of {question.name} may be {bound}, and the margin is {question.limit:.3g}"


def _share(share: float | None) -> str:
    return "nothing" if share is None else f"{share:.3%}"


def _row(answer: Answer) -> tuple[object, ...]:
    question = answer.question
    return (
        question.name,
        answer.verdict,
        answer.challenger_share,
        answer.champion_share,
        answer.ratio_low,
        answer.ratio_high,
        question.expected,
        question.limit,
        answer.evidence,
        answer.evidence_limit,
        answer.challenger_requests,
        answer.champion_requests,
    )
