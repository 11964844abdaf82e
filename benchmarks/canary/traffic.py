"""Traffic of a canary for benchmarks.canary: entities that differ and keep their arm, days, outages, late outcomes.

Everything that makes requests alike is in it on purpose: entities of unequal activity, whose errors, latencies and
scores keep to the entity, to a degree of its own for each version; a day's rhythm and outages that both arms share;
outcomes that become known later, not in the order of the requests.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.canary.canary import Canary, Step
from mlops_assets.core.canary.evaluation_rows import ScoredByBoth
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.canary.risk_set import Booleans, Floats, Integers
from mlops_assets.core.product_spec import Cost

START = datetime(2026, 3, 1, tzinfo=UTC)
DURATION = timedelta(hours=48)
LATENCY_LIMIT_SECONDS = 0.0165
"""About the 95th percentile of the champion's latency."""
THRESHOLD = 0.1
EVALUATION_ROWS = 10_000
COST = Cost(false_positive=5, false_negative=100)
PRODUCT = "simulated"
_SPREAD = 1.55
"""Standard deviation of the log odds."""


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

    requests: int = 4_000
    entities: int = 1_500
    percents: tuple[int, ...] = (1, 5, 25, 50)
    """The canary's steps, equally long."""
    persistence: tuple[float, float] = (0.5, 0.5)
    """Share of the variance of a score's log odds that is the entity's own; champion's and challenger's."""
    error_rate: float = 0.001
    frailty: float = 0.5
    """Shape of the gamma law of an entity's own error factor: the smaller, the more the errors keep to few entities."""

    def canary(self, challenger: int) -> Canary:
        """The canary of version 1 and `challenger`, whose number decides who is drawn."""
        every = DURATION / len(self.percents)
        steps = tuple(Step(2 + i, percent, START + i * every) for i, percent in enumerate(self.percents))
        return Canary(PRODUCT, champion=1, challenger=challenger, steps=steps)


@dataclass(frozen=True)
class Drawn:
    """Requests in the order of arrival, and what either version would make of each."""

    hours: Floats
    """Since START."""
    entity: Integers
    seconds: Floats
    """Latency, champion's."""
    log_odds: tuple[Floats, Floats]
    """The champion's and the challenger's, without harm."""
    errors: tuple[Floats, Floats]
    """How much the chance of an error exceeds a uniform draw, as their quotient: it fails where that is above 1."""
    outcome: Integers
    known_hours: Floats

    def has_failed(self, version: int, factor: float = 1.0) -> Booleans:
        """Whether version 0 (champion) or 1 fails."""
        return self.errors[version] * factor > 1

    def answers(self, version: int, harm: Harm) -> pl.DataFrame:
        """Return what version 0 (champion) or 1 would answer to every request, in columns of `canary.OBSERVATIONS`."""
        worse = harm if version else Harm()
        score = sigmoid(self.log_odds[version] + worse.score_shift)
        return pl.DataFrame(
            {
                "is_challenger": np.full(len(score), bool(version)),
                "score": score,
                "decision": (score >= THRESHOLD).astype(np.int8),
                "latency_seconds": self.seconds * worse.latency_factor,
                "has_failed": self.has_failed(version, worse.error_factor),
                "outcome": self.outcome,
            }
        )


class World:
    """Entities of one canary: who they are is drawn once, what they ask each time."""

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self.traffic = traffic
        self._generator = np.random.default_rng(seed)
        count = traffic.entities
        activity, level, *own = self._generator.normal(size=(4, count))
        level = 0.3 * activity + np.sqrt(1 - 0.3**2) * level  # who asks more often scores higher
        self._level = level
        self._levels = [np.sqrt(0.95) * level + np.sqrt(0.05) * one for one in own]
        self._activity = np.exp(activity) / np.exp(activity).sum()
        self._frailty = self._generator.gamma(traffic.frailty, 1 / traffic.frailty, count)
        self._slowness = self._generator.normal(0, 0.15, count)

    def reference(self) -> Reference:
        """What the evaluation of both versions predicts, from earlier requests of the same entities."""
        drawn = self.draw(EVALUATION_ROWS)
        champion, challenger = (sigmoid(one) for one in drawn.log_odds)
        rows = ScoredByBoth(
            champion,
            challenger,
            (THRESHOLD, THRESHOLD),
            tuple(drawn.entity.tolist()),
            pl.Series(drawn.outcome),
        )
        return Reference(LATENCY_LIMIT_SECONDS, rows.score_events(), rows.loss_factors(COST))

    def draw(self, requests: int) -> Drawn:
        """Draw requests."""
        generator, traffic = self._generator, self.traffic
        hours = self._times(requests)
        entity = generator.choice(traffic.entities, requests, p=self._activity)
        noise = generator.normal(size=requests)
        return Drawn(
            hours=hours,
            entity=entity,
            seconds=self._latency(hours, entity),
            log_odds=(
                self._log_odds(self._levels[0], entity, noise, share=traffic.persistence[0]),
                self._log_odds(self._levels[1], entity, noise, share=traffic.persistence[1]),
            ),
            errors=self._errors(hours, entity),
            outcome=self._outcomes(entity, noise),
            known_hours=hours + generator.exponential(4, requests),
        )

    def _times(self, requests: int) -> Floats:
        """Hours of arrival: three times as many at noon as at midnight."""
        hours = self._generator.random(4 * requests) * DURATION.total_seconds() / 3600
        kept = self._generator.random(len(hours)) < 0.5 - 0.25 * np.cos(2 * np.pi * hours / 24)
        return np.sort(hours[kept][:requests])

    def _log_odds(self, level: Floats, entity: Integers, noise: Floats, *, share: float) -> Floats:
        return -3 + _SPREAD * (np.sqrt(share) * level[entity] + np.sqrt(1 - share) * noise)

    def _outcomes(self, entity: Integers, noise: Floats) -> Integers:
        """Outcomes that both versions predict equally well: their truth lies halfway between the two."""
        one, other = self.traffic.persistence
        own, rest = np.sqrt(one) - np.sqrt(other), np.sqrt(1 - other) - np.sqrt(1 - one)
        share = rest**2 / (own**2 + rest**2) if one != other else 0.5
        truth = self._log_odds(self._level, entity, noise, share=share)
        return (self._generator.random(len(entity)) < sigmoid(truth)).astype(np.int64)

    def _errors(self, hours: Floats, entity: Integers) -> tuple[Floats, Floats]:
        """An entity's own rate, and one outage of a quarter of an hour for both versions."""
        outage = self._generator.random() * 48
        is_out = (hours >= outage) & (hours < outage + 0.25)
        chance = np.where(is_out, 0.3, self.traffic.error_rate * self._frailty[entity])
        one, other = (chance / self._generator.random(len(hours)) for _ in range(2))
        return one, other

    def _latency(self, hours: Floats, entity: Integers) -> Floats:
        """Seconds per request: the entity's own level, a day's rhythm, and slow minutes."""
        daily = 0.1 * np.sin(2 * np.pi * hours / 24)
        minute = self._generator.normal(0, 0.15, 48 * 60)[
            np.minimum((hours * 60).astype(np.int64), 48 * 60 - 1)
        ]
        noise = self._generator.normal(0, 0.2, len(hours))
        return 0.01 * np.exp(self._slowness[entity] + daily + minute + noise)


def sigmoid(log_odds: Floats) -> Floats:
    """Return probabilities."""
    return 1 / (1 + np.exp(-log_odds))
