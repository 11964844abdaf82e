"""Judges one simulated canary as it would be judged after every request: when it was first rolled back, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.canary.served import serve
from benchmarks.canary.traffic import COST, Harm, Traffic, World
from mlops_assets.core.canary.anytime_logrank import log_e_process
from mlops_assets.core.canary.canary import comparable
from mlops_assets.core.canary.judge import evidence_path
from mlops_assets.core.canary.questions import ALPHA_SHARES, Question, Topic, questions
from mlops_assets.core.product_spec import CanaryJudge

POLICY = CanaryJudge()
NO_MARGIN = POLICY.model_copy(
    update=dict.fromkeys(
        ("error_odds_ratio", "latency_odds_ratio", "score_odds_ratio", "loss_odds_ratio"), 1.0
    )
)
LOOK_EVERY = 200
"""Requests between two looks of the repeated fixed-sample test."""


@dataclass(frozen=True)
class Run:
    """One simulated canary."""

    first_at: Mapping[Topic, float]
    """Topic to the number of requests at which it was first rolled back; infinite when never."""
    first_without_margin: Mapping[Topic, float]
    is_naively_rejected: bool


def judge_run(traffic: Traffic, harm: Harm, seed: int) -> Run:
    """Serve one canary and look at it after every request, with the judge's own code."""
    if seed % 2:
        traffic = replace(traffic, persistence=traffic.persistence[::-1])
    world = World(traffic, seed)
    known, drawn, canary = world.reference(), world.draw(traffic.requests), traffic.canary(seed + 2)
    rows = comparable(serve(drawn, harm, canary), canary, warm_up=timedelta(0))
    first, first_without = (dict.fromkeys(ALPHA_SHARES, np.inf) for _ in range(2))
    asked = questions(POLICY, known, COST)
    for question, strict in zip(asked, questions(NO_MARGIN, known, COST), strict=True):
        crossings = _first_crossings(rows, question, strict_limit=strict.limit)
        for firsts, at in zip((first, first_without), crossings, strict=True):
            firsts[question.topic] = min(firsts[question.topic], at)
    naive = any(_is_naively_rejected(rows, one) for one in asked if one.topic != "score")
    return Run(first, first_without, naive)


def _first_crossings(rows: pl.DataFrame, question: Question, *, strict_limit: float) -> tuple[float, float]:
    """Requests of the canary that had arrived (with their outcome, for a loss) when the evidence reached its limit, by
    the question's own margin and by a stricter one.
    """
    asked, blocks, path = evidence_path(rows, question)
    strict_path = log_e_process(
        blocks, null_ratio=strict_limit, direction=question.direction, factors=question.factors
    )
    first: list[float] = []
    for evidence in (path, strict_path):
        crossed = np.flatnonzero(evidence >= np.log(1 / question.alpha))
        time = question.order[0]
        first.append(
            float((rows[time] <= asked[time][int(blocks.closed_at[crossed[0]])]).sum())
            if len(crossed)
            else np.inf
        )
    return first[0], first[1]


def _is_naively_rejected(rows: pl.DataFrame, question: Question) -> bool:
    """Whether a two-sample z test at level alpha, without a margin, rejects at any of many looks."""
    asked = rows.with_columns(harm=question.harm).filter(pl.col("harm").is_not_null()).sort(*question.order)
    harm, arm = asked["harm"].to_numpy(), asked["is_challenger"].to_numpy()
    sums = [np.cumsum(np.where(side, power, 0.0)) for side in (arm, ~arm) for power in (1.0, harm, harm**2)]
    looks = np.arange(LOOK_EVERY - 1, len(harm), LOOK_EVERY)
    n1, s1, q1, n0, s0, q0 = (total[looks] for total in sums)
    is_enough = (n1 >= 30) & (n0 >= 30) & (s1 + s0 >= 5)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (q1 / n1 - (s1 / n1) ** 2) / n1 + (q0 / n0 - (s0 / n0) ** 2) / n0
        z = (s1 / n1 - s0 / n0) / np.sqrt(variance)
    return bool(np.any(is_enough & (z > stats.norm.isf(question.alpha))))
