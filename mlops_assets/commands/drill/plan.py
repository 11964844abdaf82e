"""Drills of plans that would take a host down, and of the follower's own death."""

import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from mlops_assets.commands.drill.bad_models import aborting, large
from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets.commands.drill.load import DrillLoad
from mlops_assets.commands.drill.small_disk import SmallDisk, small_disk
from mlops_assets.commands.drill.stage import Drill, Seen, Stage, by_version, failed, order_of
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.steps import roll_back
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.snapshot import MODELS_FOLDER, ServingSnapshot, snapshot_file

ANSWERS = 60
"""Answers that a drill waits for before and after it breaks something."""
WAIT_SECONDS = 60.0
DISK_BYTES = 4 << 20


def model_kills(stage: Stage, *, spoil: Callable[[TrainedModel], TrainedModel] = aborting) -> Seen:
    """Release a version on whose model LightGBM aborts the process, then roll back; `spoil` makes the model."""
    return _refused(stage, spoil, said="died of SIGABRT")


def model_too_large(stage: Stage, *, spoil: Callable[[TrainedModel], TrainedModel] = large) -> Seen:
    """Release a version whose model takes more memory than services may, then roll back; `spoil` makes the model."""
    return _refused(stage, spoil, said="does not fit into memory")


def _refused(stage: Stage, spoil: Callable[[TrainedModel], TrainedModel], *, said: str) -> Seen:
    stage.settle(1)
    version = stage.home.add_version(spoil(stage.home.models[0]))
    before = _ids(stage.workers())
    with stage.load() as load:
        _more(load)
        stage.put(version, "blue_green")
        told = stage.problem(said, seconds=WAIT_SECONDS)
        _more(load)
        is_counted = stage.metric("mlops_follower_failing") > 0
        rolled = roll_back(stage.home.control, PRODUCT, order=order_of("drilled"))
        is_followed = stage.wait_until_followed(rolled.plan.sequence, seconds=WAIT_SECONDS)
    lost = failed(load.answers)
    is_unharmed = _ids(stage.workers()) == before
    words = (
        f"{by_version(load.answers)}, {len(lost)} failed; {'no worker' if is_unharmed else 'a worker'} died; "
        f"GET /model says: {told[:200] or 'nothing'}; the rollback {'arrived' if is_followed else 'never arrived'}"
    )
    is_previous = {answer.version for answer in load.answers} == {1}
    return Seen(words, bool(told) and is_counted and is_previous and is_unharmed and is_followed and not lost)


def follower_killed(
    stage: Stage,
    *,
    kill: Callable[[psutil.Process], None] = lambda process: process.send_signal(signal.SIGKILL),
) -> Seen:
    """Kill the follower and a worker under load, and release a version; `kill` is what is done to each."""
    stage.settle(1)
    before, victim = _ids(stage.followers()), min(stage.workers(), key=lambda process: process.pid)
    with stage.load() as load:
        _more(load)
        for process in [*stage.followers(), victim]:
            kill(process)
        plan = stage.put(2, "blue_green")
        is_followed = stage.wait_until_followed(plan.sequence, seconds=WAIT_SECONDS)
    after = _ids(stage.followers())
    stage.settle(1)
    lost = failed(load.answers)
    is_another = bool(before) and len(after) == 1 and not after & before
    words = (
        f"{by_version(load.answers)}, {len(lost)} failed; followers before {sorted(before)}, afterwards "
        f"{sorted(after)}; the next plan {'arrived' if is_followed else 'never arrived'}"
    )
    return Seen(words, is_another and is_followed and not lost)


def follower_disk_full(stage: Stage, *, fill: Callable[[SmallDisk], object] = SmallDisk.fill) -> Seen:
    """Let the disk be full on which the follower keeps the plan, release a version, and free the disk."""
    with (
        tempfile.TemporaryDirectory(prefix="drill-disk-") as folder,
        small_disk(Path(folder), size_bytes=DISK_BYTES) as disk,
        stage.serving(launcher=disk.launcher, MLOPS_SERVING_HOME=str(disk.folder)),
    ):
        stage.settle(1)
        before = _ids(stage.followers())
        with stage.load() as load:
            _more(load)
            fill(disk)
            plan = stage.put(2, "blue_green")
            told = stage.problem("No space left", seconds=WAIT_SECONDS)
            _more(load)
            meanwhile = list(load.answers)
            disk.free()
            is_followed = stage.wait_until_followed(plan.sequence, seconds=WAIT_SECONDS)
        is_same = _ids(stage.followers()) == before
    stage.settle(1)
    lost = failed(load.answers)
    words = (
        f"{by_version(meanwhile)} while it was full, {len(lost)} failed; GET /model says: {told[:200] or 'nothing'}; "
        f"the follower {'lived on' if is_same else 'died'}; afterwards the plan "
        f"{'arrived' if is_followed else 'never arrived'}"
    )
    is_previous = {answer.version for answer in meanwhile} == {1}
    return Seen(words, bool(told) and is_previous and is_same and is_followed and not lost)


def restart_with_bad_plan(stage: Stage, *, spoil: Callable[[TrainedModel], TrainedModel] = aborting) -> Seen:
    """Start a host anew whose newest plan kills every worker that loads it, then roll back; `spoil` makes its model."""
    with tempfile.TemporaryDirectory(prefix="drill-host-") as folder:
        stage.settle(1)
        with stage.serving(MLOPS_SERVING_HOME=folder):
            is_good = stage.wait_until(lambda: _has_worked(Path(folder)), seconds=WAIT_SECONDS)
        model = spoil(stage.home.models[0])
        plan = stage.put(stage.home.add_version(model), "blue_green")
        _install(Path(folder), plan, model)
        with stage.serving(MLOPS_SERVING_HOME=folder), stage.load() as load:
            _more(load)
            told = stage.problem("refused", seconds=WAIT_SECONDS)
            rolled = roll_back(stage.home.control, PRODUCT, order=order_of("drilled"))
            is_followed = stage.wait_until_followed(rolled.plan.sequence, seconds=WAIT_SECONDS)
    stage.settle(1)
    lost = failed(load.answers)
    words = (
        f"{by_version(load.answers)} after the restart, {len(lost)} failed; "
        f"GET /model says: {told[:200] or 'nothing'}; the rollback {'arrived' if is_followed else 'never arrived'}"
    )
    is_previous = {answer.version for answer in load.answers} == {1}
    return Seen(words, is_good and bool(told) and is_previous and is_followed and not lost)


def _has_worked(serving_home: Path) -> bool:
    return SeenPlans.read(seen_file(serving_home, PRODUCT)).last_good() is not None


def _install(serving_home: Path, plan: ReleasePlan, model: TrainedModel) -> None:
    """Offer a plan of one version to the workers of a host, as a follower would that proves nothing."""
    file = snapshot_file(serving_home, PRODUCT)
    known = next(iter(ServingSnapshot.read(file).versions.values()))
    folder = file.parent / MODELS_FOLDER / model.digest
    model.save(folder)
    number = plan.champion.version
    served = replace(known, version=number, digest=model.digest, folder=folder)
    ServingSnapshot(plan, {number: served}).write(file)


def _more(load: DrillLoad) -> None:
    """Wait for more answers."""
    count = len(load.answers) + ANSWERS
    load.wait_for(lambda answers: len(answers) >= count, seconds=WAIT_SECONDS)


def _ids(processes: list[psutil.Process]) -> set[int]:
    return {process.pid for process in processes}


PLAN_DRILLS = (
    Drill(
        "model-kills",
        "a version was released on whose model LightGBM aborts the process, then rolled back",
        "no worker dies, the version before answers all and says why; the rollback arrives",
        model_kills,
    ),
    Drill(
        "model-too-large",
        "a version was released whose model takes more memory than services may, then rolled back",
        "the same",
        model_too_large,
    ),
    Drill(
        "restart-with-bad-plan",
        "a host was started anew whose newest plan has a model on which LightGBM aborts the process",
        "it comes up with the last plan that worked, and says why; the rollback arrives",
        restart_with_bad_plan,
    ),
    Drill(
        "follower-killed",
        "the follower and a worker were killed with SIGKILL under load, and a version released",
        "another follower is there, the plan arrives; no request fails",
        follower_killed,
    ),
    Drill(
        "follower-disk-full",
        "the disk on which the follower keeps the plan was full while a version was released",
        "the version before answers all and says why; the plan arrives once there is space",
        follower_disk_full,
        needs_small_disk=True,
    ),
)
