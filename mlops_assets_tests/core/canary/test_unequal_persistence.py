"""Two equally good versions, of which one's scores keep to their entities and the other's do not."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.canary.canary import OBSERVATIONS, Canary, Step
from mlops_assets.core.canary.evaluation_rows import ScoredByBoth
from mlops_assets.core.canary.judge import Judgement, judge
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.product_spec import CanaryJudge, Cost
from mlops_assets.core.release.routing import Draw
from mlops_assets_tests.support.canary_rows import SINCE

COST = Cost(false_positive=5, false_negative=100)
ENTITIES, ROWS = 1_000, 16_000
THRESHOLD = 0.3
SHARES = [(0.8, 0.1), (0.1, 0.8)]


@dataclass(frozen=True)
class Population:
    """Entities with a level of their own, of which each version makes another share."""

    shares: tuple[float, float]
    """Of the variance of the champion's and the challenger's scores."""
    generator: np.random.Generator
    level: np.ndarray

    def score(self, entity: np.ndarray, noise: np.ndarray, version: int) -> np.ndarray:
        share = self.shares[version]
        return 1 / (1 + np.exp(2 - np.sqrt(share) * self.level[entity] - np.sqrt(1 - share) * noise))

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return entities, noise and outcomes; how much of the truth is the entity's own lies between the two versions,
        so that both are as good.
        """
        entity = self.generator.integers(0, ENTITIES, ROWS)
        noise = self.generator.normal(size=ROWS)
        truth = 1 / (1 + np.exp(2 - np.sqrt(0.43) * self.level[entity] - np.sqrt(0.57) * noise))
        return entity, noise, (self.generator.random(ROWS) < truth).astype(np.int8)


def judged(shares: tuple[float, float], seed: int, *, knows_strata: bool = True) -> Judgement:
    generator = np.random.default_rng(seed)
    population = Population(shares, generator, generator.normal(size=ENTITIES))
    entity, noise, outcome = population.draw()
    rows = ScoredByBoth(
        *(population.score(entity, noise, version) for version in (0, 1)),
        thresholds=(THRESHOLD, THRESHOLD),
        entities=tuple(entity.tolist()),
        outcomes=pl.Series(outcome),
    )
    events, factors = rows.score_events(), rows.loss_factors(COST)
    if not knows_strata:
        events, factors = tuple(replace(one, strata=None) for one in events), (1.0,) * 10
    return judge(
        served(population, challenger=seed + 2),
        canary=Canary("fraud_detection", 1, seed + 2, (Step(7, 50, SINCE),)),
        reference=Reference(None, events, factors),
        policy=CanaryJudge(),
        cost=COST,
        now=SINCE + timedelta(days=3),
    )


def served(population: Population, *, challenger: int) -> pl.DataFrame:
    entity, noise, outcome = population.draw()
    draw = Draw("fraud_detection", challenger)
    is_challenger = np.array([draw.bucket(number) < 5_000 for number in range(ENTITIES)])[entity]
    champion, other = (population.score(entity, noise, version) for version in (0, 1))
    score = np.where(is_challenger, other, champion)
    received = [SINCE + timedelta(seconds=60 + number) for number in range(ROWS)]
    frame = pl.DataFrame(
        {
            "event_id": np.arange(ROWS).astype(np.str_),
            "entity": entity.astype(np.str_),
            "is_challenger": is_challenger,
            "plan_sequence": 7,
            "received_at": received,
            "score": score,
            "decision": score >= THRESHOLD,
            "latency_seconds": 0.01,
            "has_failed": False,
            "outcome": outcome,
            "outcome_known_at": [at + timedelta(hours=1) for at in received],
        }
    )
    return frame.cast(OBSERVATIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", SHARES)
def test_a_version_whose_scores_keep_to_their_entities_more_or_less_is_not_rolled_back(
    shares: tuple[float, float],
) -> None:
    found = [judged(shares, seed) for seed in range(4)]
    assert [one.reason for one in found if one.action == "roll_back"] == []


def test_a_ratio_per_request_held_against_first_harms_would_roll_every_one_back() -> None:
    found = [judged((0.8, 0.1), seed, knows_strata=False).action for seed in range(3)]
    assert found == ["roll_back"] * 3
