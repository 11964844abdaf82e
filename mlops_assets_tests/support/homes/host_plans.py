"""Plans as a host has them, without models on its disk."""

from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.host.snapshot import MODELS_FOLDER, ServingSnapshot, VersionOnDisk

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def host_snapshot(folder: Path, sequence: int, version: int | None = None) -> ServingSnapshot:
    """The plan of that sequence, in which one version, by default of the same number, answers everybody."""
    number = version or sequence
    served = VersionOnDisk(
        version=number,
        digest=f"{number:064x}",
        threshold=0.25,
        view_digest="ab" * 32,
        libraries={},
        feature_names=("amount_usd",),
        folder=folder / MODELS_FOLDER / f"{number:064x}",
    )
    plan = ReleasePlan("blue_green", (Arm(number, 100, "champion"),), NOON, "ann", "why", {}, sequence, None)
    return ServingSnapshot(plan, {number: served})
