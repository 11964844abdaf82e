"""A host that is followed: a follower by a clock and with proofs that a test sets, and workers that live or die."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from mlops_assets.core.errors import ServingError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.registry.artifacts import fetch_model
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.registry.version_view import run_view
from mlops_assets.core.release.plan import Order, ReleasePlan, rollback, start_canary
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, snapshot_file
from mlops_assets.core.serving.host.worker_notes import Stage, WorkerNotes, notes_folder
from mlops_assets_tests.support.homes.plans import write_plan
from mlops_assets_tests.support.homes.small_registry import (
    NOON,
    ORDER,
    PRODUCT,
    VIEW,
    SmallRegistry,
)
from serving.following.host_versions import IsWanted
from serving.following.proving import MemoryLimit, ModelToProve
from serving.plan_follower import RETRY_SECONDS, PlanFollower

LATER = NOON + timedelta(seconds=RETRY_SECONDS)


class Clock:
    """A monotonic clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Proofs:
    """Proves every model by name, or refuses those of some versions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.limits: list[MemoryLimit] = []
        self.refused: set[int] = set()

    def __call__(self, model: ModelToProve, limit: MemoryLimit, is_wanted: Callable[[], bool]) -> int:
        assert is_wanted()
        self.asked.append(model.name)
        self.limits.append(limit)
        if int(model.name.split()[-1]) in self.refused:
            raise ServingError(f"{model.name} is refused: its process died of SIGABRT")
        return 10


@dataclass
class FetcherHere:
    """Fetches in the process of the test, which takes a fraction of a second, from the registry at `tracking_uri`."""

    tracking_uri: str

    def model(self, version: ModelVersion, folder: Path, *, is_wanted: IsWanted) -> None:
        assert is_wanted()
        fetch_model(self.tracking_uri, version.model_uri, folder)

    def view(self, version: ModelVersion, *, is_wanted: IsWanted) -> FeatureView:
        assert is_wanted()
        return run_view(self.tracking_uri, version.run_id, subject=f"the view of version {version.version}")


def new_follower(small: SmallRegistry, serving_home: Path, clock: Clock, proofs: Proofs) -> PlanFollower:
    return PlanFollower(
        PRODUCT,
        small.control,
        serving_home,
        VIEW,
        prove=proofs,
        fetcher=FetcherHere(small.control.tracking_uri),
        clock=clock,
    )


def snapshot(serving_home: Path) -> ServingSnapshot:
    return ServingSnapshot.read(snapshot_file(serving_home, PRODUCT))


def trial(small: SmallRegistry, version: int) -> ReleasePlan:
    before = small.standing()
    plan = start_canary(before, ORDER, version=version)
    write_plan(small.control, PRODUCT, plan)
    return plan


def roll_back(small: SmallRegistry) -> ReleasePlan:
    before = small.standing()
    plan = rollback(before, Order(NOON, "ann", "errors"))
    write_plan(small.control, PRODUCT, plan)
    return plan


def say(serving_home: Path, plan: ReleasePlan, stage: Stage) -> WorkerNotes:
    """A worker of this host that lives until its notes are closed."""
    notes = WorkerNotes(serving_home, PRODUCT)
    notes.say(stage, plan.sequence)
    return notes


def die(serving_home: Path, plan: ReleasePlan, *, crash: str = "") -> None:
    """A worker of this host that died while it loaded the plan."""
    folder = notes_folder(serving_home, PRODUCT)
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"format_version": 1, "plan": plan.sequence, "stage": "loads"})
    (folder / f"{uuid4().hex}.jsonl").write_text(f"{line}\n{crash}")
