"""A host returns to the last plan that worked, refuses the one that kills, and follows any other."""

from dataclasses import replace
from pathlib import Path

from mlops_assets.core.model.libraries import installed_libraries
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.snapshot import snapshot_file
from mlops_assets_tests.support.homes.followed import Clock, Proofs, die, new_follower, say, snapshot
from mlops_assets_tests.support.homes.small_registry import (
    NOON,
    PRODUCT,
    SmallRegistry,
)
from serving.plan_follower import PlanFollower


def test_a_plan_of_which_workers_die_gives_way_to_the_last_that_worked(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, clock: Clock, proofs: Proofs
) -> None:
    follower.look(NOON)
    good = small.standing()
    worker = say(serving_home, good, "works")
    follower.look(NOON)
    small.release(2)
    bad = small.standing()
    assert follower.look(NOON).plan_sequence == bad.sequence
    die(serving_home, bad, crash="Fatal Python error: Aborted\n")
    status = follower.look(NOON)
    assert (status.plan_sequence, snapshot(serving_home).plan) == (good.sequence, good)
    assert f"plan {bad.sequence} is refused on this host: a worker died while loading it (Aborted)" in str(
        status.last_error
    )
    assert f"plan {good.sequence} goes on" in str(status.last_error)
    worker.close()
    snapshot_file(serving_home, PRODUCT).unlink()  # a host that starts anew, with what lies on its disk
    again = new_follower(small, serving_home, clock, proofs)
    assert "is refused on this host" in str(again.look(NOON).last_error)
    small.release(3)
    assert again.look(NOON).last_error is None
    assert snapshot(serving_home).plan == small.standing()


def test_a_host_that_starts_with_a_bad_newest_plan_comes_up_with_the_last_good_one(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, clock: Clock, proofs: Proofs
) -> None:
    """The whole host went down as its workers loaded the plan; they die again when it comes up."""
    follower.look(NOON)
    good = small.standing()
    worker = say(serving_home, good, "works")
    follower.look(NOON)
    worker.close()
    small.release(2)
    follower.look(NOON)
    bad = small.standing()
    for _ in range(2):
        die(serving_home, bad)
    again = new_follower(small, serving_home, clock, proofs)
    assert again.look(NOON).plan_sequence == bad.sequence, "a server may have been stopped"
    for _ in range(2):
        die(serving_home, bad)
    assert again.look(NOON).plan_sequence == good.sequence
    assert snapshot(serving_home).plan == good


def test_a_first_plan_that_kills_leaves_none(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    die(serving_home, small.standing(), crash="Fatal Python error: Segmentation fault\n")
    status = follower.look(NOON)
    assert "what the bento holds goes on" in str(status.last_error)
    assert not snapshot_file(serving_home, PRODUCT).exists()


def test_a_refused_plan_is_tried_again_when_its_file_is_removed(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    die(serving_home, small.standing(), crash="Fatal Python error: Aborted\n")
    assert follower.look(NOON).last_error
    seen_file(serving_home, PRODUCT).unlink()
    assert follower.look(NOON).last_error is None


def test_what_was_seen_with_other_libraries_says_nothing(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, clock: Clock, proofs: Proofs
) -> None:
    """An upgrade may make a model fail that worked, and mend one that was refused."""
    follower.look(NOON)
    worker = say(serving_home, small.standing(), "works")
    follower.look(NOON)
    worker.close()
    seen = SeenPlans.read(seen_file(serving_home, PRODUCT))
    assert seen.libraries == installed_libraries()
    asked = list(proofs.asked)
    new_follower(small, serving_home, clock, proofs).look(NOON)
    assert proofs.asked == asked
    replace(seen, libraries={"lightgbm": "1.0"}).write(seen_file(serving_home, PRODUCT))
    proofs.refused = {1}
    assert "is refused" in str(new_follower(small, serving_home, clock, proofs).look(NOON).last_error)
    assert not snapshot_file(serving_home, PRODUCT).exists(), (
        "services that start serve what their bento holds"
    )


def test_models_of_the_last_plan_that_worked_stay_on_disk(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    worker = say(serving_home, small.standing(), "works")
    follower.look(NOON)
    for version in (3, 2, 3, 2, 3, 2):
        small.release(version)
        follower.look(NOON)
    assert (serving_home / PRODUCT / "models" / small.models[0].digest).is_dir()
    worker.close()
