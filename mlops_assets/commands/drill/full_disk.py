"""Drills of a full disk: the store lies on a small filesystem, which is filled until there is no space left."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.commands.drill.damaged_store import copy_store
from mlops_assets.commands.drill.failure import ANSWERS, WAIT_SECONDS, refused_then_answered
from mlops_assets.commands.drill.home import PRODUCT, captured_in
from mlops_assets.commands.drill.small_disk import SmallDisk, small_disk
from mlops_assets.commands.drill.stage import Drill, Seen, Stage, answered_since, failed
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.prediction_record import PredictionRecord

ROOM_BYTES = 8 << 20
"""Beside the store, for its log and what is captured."""
CHECK_SECONDS = 60.0


def disk_full(stage: Stage) -> Seen:
    """Fill the disk of the store under load, then free it."""
    with store_disk(stage) as disk:
        with stage.serving(launcher=disk.launcher, MLOPS_ONLINE_STORE=str(disk.folder)):
            stage.settle(1)
            with stage.load() as load:
                load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
                filling = time.monotonic()
                disk.fill()
                left = disk.free_bytes()
                load.wait_for(lambda answers: len(failed(answers)) >= ANSWERS // 2, seconds=WAIT_SECONDS)
                disk.free()
                freed = time.monotonic()
                load.wait_for(lambda _: answered_since(load, freed) >= ANSWERS, seconds=WAIT_SECONDS)
        records, damage = _left_on(disk)
    seen = refused_then_answered(load, records, freed)
    refused = failed(load.answers)
    early = sum(answer.answered_at < filling for answer in refused)
    is_full = left == early == 0
    words = (
        f"{left} bytes were left, {early} requests failed before; {seen.words}; every page read afterwards: "
        f"{damage or 'sound'}"
    )
    return Seen(words, seen.is_expected and is_full and damage is None)


def disk_full_score(stage: Stage) -> Seen:
    """The same under the policy `score`."""
    with store_disk(stage) as disk:
        policy = {"MLOPS_CAPTURE_POLICY": "score", "MLOPS_ONLINE_STORE": str(disk.folder)}
        with stage.serving(launcher=disk.launcher, **policy):
            stage.settle(1)
            with stage.load() as load:
                load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
                disk.fill()
                full = time.monotonic()
                load.wait_for(lambda _: len(load.since(full)) >= ANSWERS, seconds=WAIT_SECONDS)
            counted = int(stage.metric("mlops_capture_failures_total"))
        disk.free()
        records, damage = _left_on(disk)
    captured = {record.event_id for record in records}
    unrecorded = sum(a.is_answered and a.event_id not in captured for a in load.answers)
    words = (
        f"{len(failed(load.answers))} of {len(load.answers)} failed; {unrecorded} were answered without a record, "
        f"and {counted} counted as mlops_capture_failures; every page read afterwards: {damage or 'sound'}"
    )
    return Seen(words, not failed(load.answers) and 0 < unrecorded == counted and damage is None)


@contextmanager
def store_disk(stage: Stage) -> Iterator[SmallDisk]:
    """Mount a small filesystem with a copy of the home's store while the block runs.

    Raises: ConfigurationError where this user may mount none.
    """
    with tempfile.TemporaryDirectory(prefix="drill-disk-") as folder:
        copy = Path(folder) / "copy"
        copy_store(stage.home.store_file, copy)
        mounted = Path(folder) / "disk"
        mounted.mkdir()
        with small_disk(mounted, size_bytes=copy.stat().st_size + ROOM_BYTES) as disk:
            shutil.copy(copy, disk.outside / f"{PRODUCT}.sqlite")
            yield disk


def _left_on(disk: SmallDisk) -> tuple[list[PredictionRecord], str | None]:
    """What the store has once nobody uses it: its captured predictions, and damage."""
    with tempfile.TemporaryDirectory(prefix="drill-left-") as folder:
        for file in disk.outside.glob(f"{PRODUCT}.sqlite*"):
            if not file.name.endswith("-shm"):  # of processes that have ended
                shutil.copy(file, folder)
        records = captured_in(open_online_store(folder, PRODUCT))
        return records, examine(Path(folder) / f"{PRODUCT}.sqlite", seconds=CHECK_SECONDS).damage


FULL_DISK_DRILLS = (
    Drill(
        "disk-full",
        "the store's disk was filled until no byte was left, then freed (MLOPS_CAPTURE_POLICY=refuse)",
        "503 that says so, nothing recorded; answers again afterwards; nothing acknowledged is lost, no page damaged",
        disk_full,
        needs_small_disk=True,
    ),
    Drill(
        "disk-full-score",
        "the store's disk was filled until no byte was left (MLOPS_CAPTURE_POLICY=score)",
        "answers go on without records, each counted; no page is damaged",
        disk_full_score,
        needs_small_disk=True,
    ),
)
