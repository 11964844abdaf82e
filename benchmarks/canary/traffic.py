"""Traffic of a canary for benchmarks.canary: entities that differ and stay in their arm, days, outages, late outcomes.

Everything that makes requests alike is in it on purpose: entities of unequal activity, whose errors, latencies and
scores keep to the entity; a day's rhythm and outages that both arms share; a sticky arm per entity, as the
platform's router draws it; outcomes that become known later, not in the order of the requests.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.canary.anytime_logrank import Floats, Integers
from mlops_assets.core.canary.canary import Canary, Step
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.canary.score_reference import score_events
from mlops_assets.core.times import UTC_TIME

START = datetime(2026, 3, 1, tzinfo=UTC)
DURATION = timedelta(hours=48)
LATENCY_LIMIT_SECONDS = 0.0165
"""About the 95th percentile of the champion's latency."""
THRESHOLD = 0.1
REFERENCE_ROWS = 20_000


@dataclass(frozen=True)
class Harm:
    """What is wrong with the challenger; the default is nothing."""

    error_factor: float = 1.0
    """Errors per request, times the champion's."""
    latency_factor: float = 1.0
    score_shift: float = 0.0
    """Added to the log odds of every score."""


@dataclass(frozen=True)
class Traffic:
    """How much traffic, of how many entities, at which steps."""

    requests: int = 20_000
    entities: int = 5_000
    percents: tuple[int, ...] = (1, 5, 25, 50)
    """The canary's steps, equally long."""
    error_rate: float = 0.001
    frailty: float = 0.5
    """Shape of the gamma law of an entity's own error factor: the smaller, the more the errors keep to few entities."""

    @property
    def canary(self) -> Canary:
        """The canary whose requests `draw` makes."""
        every = DURATION / len(self.percents)
        steps = tuple(Step(2 + i, percent, START + i * every) for i, percent in enumerate(self.percents))
        return Canary("simulated", champion=1, challenger=2, steps=steps)


def reference(seed: int) -> Reference:
    """Return what the evaluation of two equally good versions predicts."""
    generator = np.random.default_rng([seed, 0])
    entity = generator.integers(0, 5_000, REFERENCE_ROWS)
    champion = _log_odds(generator, entity, 5_000)
    challenger = champion + generator.normal(0, 0.1, REFERENCE_ROWS)
    events = score_events(
        _sigmoid(champion),
        _sigmoid(challenger),
        entity.tolist(),
        champion_threshold=THRESHOLD,
        challenger_threshold=THRESHOLD,
    )
    return Reference(LATENCY_LIMIT_SECONDS, events)


def draw(traffic: Traffic, *, harm: Harm, seed: int) -> pl.DataFrame:
    """Draw a canary's requests as `canary.OBSERVATIONS`, in the order of arrival."""
    generator = np.random.default_rng([seed, 1])
    requests, entities = traffic.requests, traffic.entities
    hours = np.sort(generator.random(requests)) * DURATION.total_seconds() / 3600
    activity = generator.lognormal(0, 1, entities)
    entity = generator.choice(entities, requests, p=activity / activity.sum())
    step = (hours / (48 / len(traffic.percents))).astype(np.int64)
    place = generator.random(entities) * 100  # as the router's bucket: who is in at 5 % is in at 25 %
    is_challenger = place[entity] < np.array(traffic.percents)[step]
    has_failed = _errors(generator, traffic, hours, entity) * np.where(is_challenger, harm.error_factor, 1.0)
    has_failed = generator.random(requests) < has_failed
    latency = _latency(generator, hours, entity, entities) * np.where(is_challenger, harm.latency_factor, 1.0)
    truth = _log_odds(generator, entity, entities)
    noise = generator.normal(0, 0.1, requests)
    score = _sigmoid(truth + is_challenger * (noise + harm.score_shift))
    outcome = (generator.random(requests) < _sigmoid(truth)).astype(np.int8)
    received = [START + timedelta(hours=hour) for hour in hours]
    frame = pl.DataFrame(
        {
            "event_id": np.arange(requests).astype(np.str_),
            "entity": entity.astype(np.str_),
            "is_challenger": is_challenger,
            "plan_sequence": step + 2,
            "received_at": received,
            "score": score,
            "decision": (score >= THRESHOLD).astype(np.int8),
            "latency_seconds": latency,
            "has_failed": has_failed,
            "outcome": outcome,
            "outcome_known_at": [
                at + timedelta(hours=float(delay))
                for at, delay in zip(received, generator.exponential(4, requests), strict=True)
            ],
        }
    )
    is_scored = ~pl.col("has_failed")
    return frame.with_columns(
        pl.when(is_scored).then(pl.col(name)).alias(name) for name in ("score", "decision")
    ).with_columns(pl.col("received_at", "outcome_known_at").cast(UTC_TIME))


def _errors(generator: np.random.Generator, traffic: Traffic, hours: Floats, entity: Integers) -> Floats:
    """Probability of an error per request: frail entities, and one outage of a quarter of an hour for both arms."""
    frail = generator.gamma(traffic.frailty, 1 / traffic.frailty, traffic.entities)
    outage = generator.random() * 48
    is_out = (hours >= outage) & (hours < outage + 0.25)
    return np.where(is_out, 0.3, np.minimum(traffic.error_rate * frail[entity], 1.0))


def _latency(generator: np.random.Generator, hours: Floats, entity: Integers, entities: int) -> Floats:
    """Seconds per request: the entity's own level, a day's rhythm, and slow minutes."""
    own = generator.normal(0, 0.15, entities)[entity]
    daily = 0.1 * np.sin(2 * np.pi * hours / 24)
    minute = generator.normal(0, 0.15, 48 * 60)[np.minimum((hours * 60).astype(np.int64), 48 * 60 - 1)]
    return 0.01 * np.exp(own + daily + minute + generator.normal(0, 0.2, len(hours)))


def _log_odds(generator: np.random.Generator, entity: Integers, entities: int) -> Floats:
    """Log odds of the outcome per request, which keep to the entity: one outcome in ten is 1."""
    return -3 + generator.normal(0, 1.1, entities)[entity] + generator.normal(0, 1.1, len(entity))


def _sigmoid(log_odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-log_odds))
