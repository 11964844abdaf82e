"""The serving snapshot: it reads back equal, is replaced whole, and a damaged one is never taken."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import ServingError
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.host.snapshot import (
    MODELS_FOLDER,
    ServingSnapshot,
    VersionOnDisk,
    snapshot_file,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = ReleasePlan("canary", (Arm(2, 95, "champion"), Arm(3, 5, "challenger")), NOON, "ann", "why", {}, 4, 1)


def served(version: int, home: Path, threshold: float = 0.25) -> VersionOnDisk:
    return VersionOnDisk(
        version=version,
        digest=f"{version:064x}",
        threshold=threshold,
        view_digest="ab" * 32,
        libraries={"lightgbm": "4.6.0"},
        feature_names=("amount_usd", "night"),
        folder=home / "fraud_detection" / MODELS_FOLDER / f"{version:064x}",
    )


def snapshot(home: Path, threshold: float = 0.25) -> ServingSnapshot:
    return ServingSnapshot(PLAN, {number: served(number, home, threshold) for number in (3, 2)})


@given(threshold=st.floats(0, 1))
def test_a_snapshot_reads_back_equal_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, threshold: float
) -> None:
    home = tmp_path_factory.mktemp("home")
    file = snapshot_file(home, "fraud_detection")
    snapshot(home, threshold).write(file)
    assert ServingSnapshot.read(file) == snapshot(home, threshold)


def test_the_same_snapshot_has_the_same_bytes_and_leaves_no_other_file(tmp_path: Path) -> None:
    file = snapshot_file(tmp_path, "fraud_detection")
    snapshot(tmp_path).write(file)
    first = file.read_bytes()
    snapshot(tmp_path).write(file)
    assert file.read_bytes() == first
    assert [entry.name for entry in file.parent.iterdir()] == ["plan.json"]


def test_a_home_that_was_moved_finds_its_models(tmp_path: Path) -> None:
    snapshot(tmp_path / "old").write(snapshot_file(tmp_path / "old", "fraud_detection"))
    (tmp_path / "old").rename(tmp_path / "new")
    found = ServingSnapshot.read(snapshot_file(tmp_path / "new", "fraud_detection"))
    assert found.versions[2].folder == tmp_path / "new" / "fraud_detection" / "models" / f"{2:064x}"


def test_every_cut_of_the_file_and_every_change_of_a_figure_is_refused(tmp_path: Path) -> None:
    file = snapshot_file(tmp_path, "fraud_detection")
    snapshot(tmp_path).write(file)
    text = file.read_text()
    damaged = [text[:end] for end in range(0, len(text) - 1, 7)]
    damaged += [
        text.replace("0.25", "0.26"),
        text.replace('\\"percent\\":5', '\\"percent\\":6'),
        "[]",
        "null",
    ]
    assert text not in damaged
    for content in damaged:
        file.write_text(content)
        with pytest.raises(ServingError):
            ServingSnapshot.read(file)


def test_a_later_format_and_a_missing_file_say_so(tmp_path: Path) -> None:
    file = snapshot_file(tmp_path, "fraud_detection")
    with pytest.raises(ServingError, match="cannot be read"):
        ServingSnapshot.read(file)
    snapshot(tmp_path).write(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 2}))
    with pytest.raises(ServingError, match="has format 2, readable is 1"):
        ServingSnapshot.read(file)


@pytest.mark.parametrize("numbers", [(2,), (2, 3, 4), (2, 4)])
def test_the_versions_are_those_of_the_arms(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    with pytest.raises(ServingError, match=r"needs the versions \[2, 3\]"):
        ServingSnapshot(PLAN, {number: served(number, tmp_path) for number in numbers})
