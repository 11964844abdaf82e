"""Readiness: no when a prediction that came now would be refused, and yes again without one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets_tests.support.homes.product_bento import sampled_product
from mlops_assets_tests.support.scored_requests import FACTS, NOW, Spoilt, arms_of, event
from serving.http.health import TRIAL_SECONDS, Health


class World:
    """Scoring on a store that can be spoilt, its health, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.store = Spoilt(open_online_store(str(folder), "fraud_detection"))
        self.scoring = OnlineScoring(FACTS, self.store, arms_of(sampled_product("fraud_detection")))
        self.lane: Any = SimpleNamespace(scoring=self.scoring, is_full=False)
        self.health = Health(self.lane, self.store, clock=lambda: self.now)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_store_that_answers_and_was_never_refused_is_ready_and_is_not_written_to(world: World) -> None:
    world.store.fails_to_commit = True
    assert world.health.is_ready()
    assert world.store.state_count() == 0


def test_a_store_that_cannot_be_read_is_not_ready(world: World) -> None:
    world.store.fails_to_read = True
    assert not world.health.is_ready()
    world.store.fails_to_read = False
    assert world.health.is_ready()


def test_a_queue_that_is_full_is_not_ready(world: World) -> None:
    world.lane.is_full = True
    assert not world.health.is_ready()


def test_a_store_that_refuses_predictions_is_not_ready_until_it_takes_a_trial(world: World) -> None:
    world.store.fails_to_commit = True
    with pytest.raises(OnlineStoreError):
        world.scoring.score([event(1)], received_at=NOW)
    assert not world.health.is_ready()
    world.store.fails_to_commit = False
    assert not world.health.is_ready(), "one trial a second is enough"
    world.now += TRIAL_SECONDS
    assert world.health.is_ready()
    assert world.health.is_ready()


def test_the_next_prediction_that_is_captured_makes_it_ready(world: World) -> None:
    world.store.fails_to_commit = True
    with pytest.raises(OnlineStoreError):
        world.scoring.score([event(1)], received_at=NOW)
    world.store.fails_to_commit = False
    world.scoring.score([event(1)], received_at=NOW)
    assert world.health.is_ready()


def test_under_the_policy_that_scores_without_records_it_stays_ready(world: World) -> None:
    world.scoring.policy = "score"
    world.store.fails_to_commit = True
    world.scoring.score([event(1)], received_at=NOW)
    assert world.health.is_ready()
