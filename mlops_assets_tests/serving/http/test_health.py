"""Readiness: no when a prediction that came now would be refused, and yes again without one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets_tests.support.homes.product_bento import sampled_product
from mlops_assets_tests.support.scored_requests import FACTS, NOW, Spoilt, arms_of, event
from serving.http.health import STANDS_SECONDS, TRIAL_SECONDS, Health


class World:
    """Scoring on a store that can be spoilt, its health, and a clock."""

    def __init__(self, folder: Path, asks_by: Executor | None = None) -> None:
        self.now = 0.0
        self.store = Spoilt(open_online_store(str(folder), "fraud_detection"))
        arms = arms_of(sampled_product("fraud_detection"))
        self.scoring = OnlineScoring(FACTS, self.store, arms, asks_by=asks_by)
        self.lane: Any = SimpleNamespace(scoring=self.scoring, is_full=False)
        self.health = Health(self.lane, clock=lambda: self.now)

    def is_ready(self) -> bool:
        return asyncio.run(self.health.is_ready())


class Held(Executor):
    """Answers questions when they are let go."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, partial(fn, *args, **kwargs)))
        return future

    def let_go(self) -> None:
        while self.waiting:
            future, question = self.waiting.pop(0)
            try:
                future.set_result(question())
            except OnlineStoreError as error:
                future.set_exception(error)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_store_that_answers_and_was_never_refused_is_ready_and_is_not_written_to(world: World) -> None:
    world.store.fails_to_commit = True
    assert world.is_ready()
    assert world.store.state_count() == 0


def test_a_store_that_cannot_be_read_is_not_ready(world: World) -> None:
    world.store.fails_to_read = True
    assert not world.is_ready()
    world.store.fails_to_read = False
    assert world.is_ready()


def test_a_queue_that_is_full_is_not_ready(world: World) -> None:
    world.lane.is_full = True
    assert not world.is_ready()


def test_a_store_that_refuses_predictions_is_not_ready_until_it_takes_a_trial(world: World) -> None:
    world.store.fails_to_commit = True
    with pytest.raises(OnlineStoreError):
        world.scoring.score([event(1)], received_at=NOW)
    assert not world.is_ready()
    world.store.fails_to_commit = False
    assert not world.is_ready(), "one trial a second is enough"
    world.now += TRIAL_SECONDS
    assert world.is_ready()
    assert world.is_ready()


def test_the_next_prediction_that_is_captured_makes_it_ready(world: World) -> None:
    world.store.fails_to_commit = True
    with pytest.raises(OnlineStoreError):
        world.scoring.score([event(1)], received_at=NOW)
    world.store.fails_to_commit = False
    world.scoring.score([event(1)], received_at=NOW)
    assert world.is_ready()


def test_under_the_policy_that_scores_without_records_it_stays_ready(world: World) -> None:
    world.scoring.policy = "score"
    world.store.fails_to_commit = True
    world.scoring.score([event(1)], received_at=NOW)
    assert world.is_ready()


def test_a_store_that_lets_wait_for_its_answer_keeps_nobody_waiting_and_the_last_word_stands_a_moment(
    tmp_path: Path,
) -> None:
    held = Held()
    world = World(tmp_path, held)

    async def play() -> list[bool]:
        told = [await world.health.is_ready()]
        held.let_go()
        told.append(await world.health.is_ready())
        world.now += STANDS_SECONDS / 2
        told.append(await world.health.is_ready())
        world.now += STANDS_SECONDS
        told.append(await world.health.is_ready())
        assert len(held.waiting) == 1, "one question is enough, however many ask for readiness"
        held.let_go()
        return [*told, await world.health.is_ready()]

    assert asyncio.run(play()) == [False, True, True, False, True]
