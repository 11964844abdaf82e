"""Requests of a small canary, for tests."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.canary.canary import OBSERVATIONS, Canary, Step

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
CANARY = Canary("fraud_detection", champion=1, challenger=2, steps=(Step(7, 50, SINCE),))
NOW = SINCE + timedelta(hours=3)


def observed(
    *,
    requests: int = 4_000,
    errors: tuple[float, float] = (0.002, 0.002),
    slow: tuple[float, float] = (0.05, 0.05),
    positive: tuple[float, float] = (0.1, 0.1),
    wrong: tuple[float, float] | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Requests within two hours, half of them the challenger's; each pair of rates is (champion, challenger).

    Slow requests take 1 s, others 0.01 s. Positive decisions score 0.9, others 0.1. `wrong`: share of the decisions
    that an outcome contradicts; None leaves outcomes unknown.
    """
    generator = np.random.default_rng(seed)
    arm = generator.random(requests) < 0.5

    def happens(rates: tuple[float, float]) -> np.ndarray:
        return generator.random(requests) < np.where(arm, rates[1], rates[0])

    failed, decision = happens(errors), happens(positive).astype(np.int8)
    outcome = np.where(happens(wrong), 1 - decision, decision) if wrong else decision
    received = [SINCE + timedelta(seconds=60 + i * 7000 / requests) for i in range(requests)]
    frame = pl.DataFrame(
        {
            "event_id": [str(i) for i in range(requests)],
            "entity": [str(i) for i in range(requests)],
            "is_challenger": arm,
            "plan_sequence": 7,
            "received_at": received,
            "score": np.where(decision == 1, 0.9, 0.1),
            "decision": decision,
            "latency_seconds": np.where(happens(slow), 1.0, 0.01),
            "has_failed": failed,
            "outcome": outcome,
            "outcome_known_at": [at + timedelta(hours=1) for at in received],
        },
    )
    if wrong is None:
        frame = frame.with_columns(outcome=pl.lit(None), outcome_known_at=pl.lit(None))
    scored = pl.col("has_failed").not_()
    return frame.with_columns(
        pl.when(scored).then(pl.col(name)).alias(name) for name in ("score", "decision")
    ).cast(OBSERVATIONS)  # type: ignore[arg-type]
