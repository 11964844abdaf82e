"""What a canary is asked: which request did harm, which ratio between the arms is within the margin, at which alpha."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from mlops_assets.core.canary.anytime_logrank import Direction
from mlops_assets.core.canary.score_reference import ScoreEvent
from mlops_assets.core.product_spec import CanaryJudge, Cost

Topic = Literal["error", "latency", "score", "loss"]
ALPHA_SHARES: Mapping[Topic, float] = {"error": 0.3, "latency": 0.2, "score": 0.3, "loss": 0.2}
"""How alpha is split (Bonferroni): each topic keeps to its own part, whatever the others do."""


@dataclass(frozen=True)
class Reference:
    """What is known about the two versions before the canary."""

    latency_limit_seconds: float | None = None
    """Requests above it are slow; None leaves latency out."""
    scores: tuple[ScoreEvent, ...] = ()
    """What the evaluation predicts; empty leaves the score distribution out."""
    loss_factors: tuple[float, ...] = (1.0,)
    """By how much the evaluation's ratio of an entity's first losses may lie above that of all losses, by stratum;
    alone 1: only first requests are compared, where the two are the same.
    """


@dataclass(frozen=True)
class Question:
    """One one-sided comparison of the two arms."""

    name: str
    topic: Topic
    harm: pl.Expr
    """0 to 1 per request; null where the request says nothing about it."""
    direction: Direction
    expected: float
    """Odds ratio, challenger's over champion's, if all is well."""
    limit: float
    """Odds ratio at the margin: beyond it lies harm."""
    alpha: float
    minimum_difference: float = 0.0
    """By how much the challenger's share must lie above the champion's before harm is worth a rollback."""
    order: tuple[str, ...] = ("received_at", "event_id")
    """Columns in whose order requests become comparable."""
    factors: tuple[float, ...] | None = None
    """By how much the ratio of first harms differs from `limit` in each stratum that is compared; None: in none."""


def questions(policy: CanaryJudge, reference: Reference, cost: Cost) -> tuple[Question, ...]:
    """Return the questions that the reference allows, errors first."""
    asked = [
        Question(
            name="error",
            topic="error",
            harm=pl.col("has_failed").cast(pl.Float64),
            direction="more",
            expected=1.0,
            limit=policy.error_odds_ratio,
            alpha=policy.alpha * ALPHA_SHARES["error"],
            minimum_difference=policy.error_rate_difference,
        )
    ]
    if reference.latency_limit_seconds is not None:
        asked.append(
            Question(
                name="latency",
                topic="latency",
                harm=(pl.col("latency_seconds") > reference.latency_limit_seconds).cast(pl.Float64),
                direction="more",
                expected=1.0,
                limit=policy.latency_odds_ratio,
                alpha=policy.alpha * ALPHA_SHARES["latency"],
            )
        )
    asked += _score_questions(policy, reference.scores)
    asked.append(
        Question(
            name="loss",
            topic="loss",
            harm=loss_of_decision(cost),
            direction="more",
            expected=1.0,
            limit=policy.loss_odds_ratio,
            alpha=policy.alpha * ALPHA_SHARES["loss"],
            order=("outcome_known_at", "received_at", "event_id"),
            factors=reference.loss_factors,
        )
    )
    return tuple(asked)


def loss_of_decision(cost: Cost) -> pl.Expr:
    """Cost of the decision as a share of the costliest mistake; null while decision or outcome are not known."""
    worst = max(cost.false_positive, cost.false_negative)
    false_alarm, miss = (
        (one / worst if worst > 0 else 0.0) for one in (cost.false_positive, cost.false_negative)
    )
    is_known = pl.col("decision").is_not_null() & pl.col("outcome").is_not_null()
    false_positive = pl.when(pl.col("decision") == 1, pl.col("outcome") == 0).then(false_alarm)
    return pl.when(is_known).then(
        false_positive.when(pl.col("decision") == 0, pl.col("outcome") == 1).then(miss).otherwise(0.0)
    )


def _score_questions(policy: CanaryJudge, events: tuple[ScoreEvent, ...]) -> Iterator[Question]:
    """Each event, more often and less often than predicted: a score that is too high, too low, or always the same."""
    for event in events:
        cut = pl.when("is_challenger").then(event.challenger_cut).otherwise(event.champion_cut)
        score = pl.col("score")
        happens = score >= cut if event.is_above else score <= cut
        lows, highs = zip(*event.strata, strict=True) if event.strata else ((event.low,), (event.high,))
        sides: tuple[tuple[Direction, float, tuple[float, ...]], ...] = (
            ("more", event.high * policy.score_odds_ratio, tuple(one / event.high for one in highs)),
            ("fewer", event.low / policy.score_odds_ratio, tuple(one / event.low for one in lows)),
        )
        for direction, limit, factors in sides:
            yield Question(
                name=f"{direction}_{event.name}s",
                topic="score",
                harm=happens.cast(pl.Float64),
                direction=direction,
                expected=event.expected,
                limit=limit,
                alpha=policy.alpha * ALPHA_SHARES["score"] / (2 * len(events)),
                factors=factors if event.strata is not None else None,
            )
