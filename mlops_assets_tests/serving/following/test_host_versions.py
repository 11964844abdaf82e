"""Models are proved before they are offered, once, within the host's memory."""

from itertools import pairwise
from pathlib import Path

from mlops_assets_tests.support.homes.followed import Clock, Proofs, roll_back, say, snapshot, trial
from mlops_assets_tests.support.homes.small_registry import (
    NOON,
    PRODUCT,
    SmallRegistry,
)
from serving.following.proving import MemoryLimit
from serving.plan_follower import LONGEST_RETRY_SECONDS, RETRY_SECONDS, PlanFollower


def test_models_are_proved_once_before_they_are_offered(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, proofs: Proofs
) -> None:
    follower.look(NOON)
    trial(small, 2)
    workers = [say(serving_home, small.standing(), "works") for _ in range(3)]
    follower.model_memory = 90
    follower.look(NOON)
    follower.look(NOON)
    assert proofs.asked == [f"{PRODUCT} version 1", f"{PRODUCT} version 2"]
    assert proofs.limits[1] == MemoryLimit(90, workers=3)
    for worker in workers:
        worker.close()


def test_a_model_that_fails_its_proof_is_not_offered_and_tried_again_ever_later(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, clock: Clock, proofs: Proofs
) -> None:
    good = small.standing()
    follower.look(NOON)
    proofs.refused = {2}
    small.release(2)
    tries = []
    for _ in range(2000):
        before = len(proofs.asked)
        status = follower.look(NOON)
        assert (status.plan_sequence, snapshot(serving_home).plan) == (good.sequence, good)
        assert "version 2 is refused: its process died of SIGABRT" in str(status.last_error)
        if len(proofs.asked) > before:
            tries.append(clock.now)
        clock.now += 1
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:3] == [RETRY_SECONDS, 2 * RETRY_SECONDS, 4 * RETRY_SECONDS]
    assert pauses[-1] == LONGEST_RETRY_SECONDS
    roll_back(small)
    assert follower.look(NOON).last_error is None, "another plan is followed at once"
