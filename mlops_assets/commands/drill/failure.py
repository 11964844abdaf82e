"""Drills of failures: what breaks is broken for real, and put right again."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets.commands.drill.load import DrillLoad
from mlops_assets.commands.drill.stage import (
    UNDECIDED,
    Drill,
    Seen,
    Stage,
    answered_since,
    by_version,
    failed,
    missing_and_repeated,
    parity_of,
)
from mlops_assets.core.online_store.sqlite import BUSY_SECONDS
from mlops_assets.core.serving.prediction_record import PredictionRecord

ANSWERS = 60
"""Answers that a drill waits for before and after it breaks something."""
WAIT_SECONDS = 30.0
TOLD_SECONDS = 90.0
"""Within which a service must say what is wrong; its follower may have to load MLflow first, on a busy machine."""
WORKER_SECONDS = 60.0
"""Within which a killed worker must be there again on a busy machine."""


def registry_down(stage: Stage) -> Seen:
    """Take registry and release record away under load, then start the service anew without them."""
    stage.settle(2)
    with _without(stage.home.registry_file), _without(stage.home.record_folder):
        with stage.load() as load:
            load.wait_for(lambda answers: len(answers) >= 2 * ANSWERS, seconds=WAIT_SECONDS)
            told = str(_follower_error(stage))
        with stage.serving(), stage.load() as again:
            again.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
    stage.settle(1)
    answers = [*load.answers, *again.answers]
    words = (
        f"{by_version(load.answers)} while they were away, {by_version(again.answers)} after a restart without them; "
        f"{len(failed(answers))} failed; GET /model says: {told[:90]}"
    )
    is_last_plan = {answer.version for answer in answers} == {2}
    return Seen(words, is_last_plan and not failed(answers) and told != "None")


def _follower_error(stage: Stage) -> object:
    """What GET /model says of the release plan, once it says something."""
    deadline = time.monotonic() + TOLD_SECONDS
    while time.monotonic() < deadline:
        follower = stage.model()["follower"]
        if isinstance(follower, dict) and follower.get("last_error"):
            return follower["last_error"]
        time.sleep(0.2)
    return None


@contextlib.contextmanager
def _without(path: Path) -> Iterator[None]:
    """Take a file or folder away while the block runs."""
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    try:
        yield
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        away.rename(path)


def store_down(stage: Stage) -> Seen:
    """Keep the store from everybody for a while, by a lock that is not given back."""
    stage.settle(1)
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
        holder = apsw.Connection(str(stage.home.store_file))
        try:
            holder.execute("BEGIN EXCLUSIVE")
            load.wait_for(lambda answers: bool(failed(answers)), seconds=BUSY_SECONDS + WAIT_SECONDS)
        finally:
            holder.close()
        freed = time.monotonic()
        load.wait_for(lambda _: answered_since(load, freed) >= ANSWERS, seconds=WAIT_SECONDS)
    return refused_then_answered(load, stage.home.captured(), freed)


def refused_then_answered(load: DrillLoad, records: list[PredictionRecord], freed: float) -> Seen:
    """Whether requests were refused with 503 and left nothing behind, and answered again afterwards."""
    refused = failed(load.answers)
    captured = {record.event_id for record in records}
    left = sum(answer.event_id in captured and UNDECIDED not in answer.message for answer in refused)
    missing, repeated = missing_and_repeated(load.answers, records)
    statuses = sorted({answer.status for answer in refused})
    words = (
        f"{len(refused)} requests got {', '.join(map(str, statuses)) or 'nothing'}, {left} were "
        f"captured without having been told that they may be; "
        f"{answered_since(load, freed)} answered afterwards; {missing} acknowledged ones missing; "
        f"it said: {refused[0].message[:100] if refused else '-'}"
    )
    is_expected = statuses == [503] and left == missing == repeated == 0
    return Seen(words, is_expected and answered_since(load, freed) >= ANSWERS // 2)


def worker_killed(stage: Stage) -> Seen:
    """Kill a worker with SIGKILL under load."""
    stage.settle(1)
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
        before = {process.pid for process in stage.workers()}
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        load.wait_for(
            lambda _: len({p.pid for p in stage.workers()} - {victim}) >= len(before), seconds=WORKER_SECONDS
        )
        back = time.monotonic() - killed
        load.wait_for(lambda _: answered_since(load, killed) >= 2 * ANSWERS, seconds=WAIT_SECONDS)
    records = stage.home.captured()
    missing, repeated = missing_and_repeated(load.answers, records)
    parity = parity_of(stage.home, records)
    again = sum(answer.tries > 1 for answer in load.answers)
    is_back = len({process.pid for process in stage.workers()} - {victim}) >= len(before)
    half_done = "" if parity.is_equal else f": {parity.summary}"
    words = (
        f"of {len(load.answers)} events {again} had to be sent again, {len(failed(load.answers))} failed; of the "
        f"acknowledged ones {missing} are missing and {repeated} recorded twice; {parity.different} of "
        f"{parity.vectors} vectors show a state half done{half_done}; another worker was there after {back:.1f} s"
    )
    is_whole = missing == repeated == parity.different == 0
    return Seen(words, is_whole and is_back and not failed(load.answers))


def model_corrupt(stage: Stage) -> Seen:
    """Release a version whose model file was changed in the registry's storage."""
    stage.settle(1)
    digest = stage.home.models[2].digest
    for folder in (stage.home.settings.serving_home / PRODUCT / "models").glob(f"{digest}*"):
        for file in folder.iterdir():
            file.write_bytes(file.read_bytes()[:-20])
    changed = [f for f in (stage.home.root / "mlartifacts").rglob("model.lgb") if _is_of(f, stage, version=3)]
    contents = {file: file.read_bytes() for file in changed}
    for file, content in contents.items():
        file.write_bytes(content.replace(b"leaf_value=0.", b"leaf_value=1.", 1))
    try:
        with stage.load() as load:
            plan = stage.put(3, "blue_green")
            told = str(_follower_error(stage))
            load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
    finally:
        for file, content in contents.items():
            file.write_bytes(content)
    recovered = stage.wait_until_followed(plan.sequence, seconds=WAIT_SECONDS)
    stage.settle(1)
    words = (
        f"{by_version(load.answers)}, {len(failed(load.answers))} failed; GET /model says: {told[:300]}; "
        f"{'followed once the file was right again' if recovered else 'never followed'}"
    )
    is_previous = {answer.version for answer in load.answers} == {1}
    return Seen(
        words, bool(changed) and is_previous and not failed(load.answers) and told != "None" and recovered
    )


def _is_of(file: Path, stage: Stage, *, version: int) -> bool:
    return file.read_text(encoding="utf-8") == stage.home.models[version - 1].booster_text


FAILURE_DRILLS = (
    Drill(
        "registry-down",
        "registry and release record were taken away, and the service started anew without them",
        "the last good plan goes on, also after the restart; no request fails",
        registry_down,
    ),
    Drill(
        "store-down",
        "the online store was kept locked, then given back",
        "503 that says so, nothing recorded; answers again afterwards; nothing acknowledged is lost",
        store_down,
    ),
    Drill(
        "worker-killed",
        "a worker was killed with SIGKILL under load",
        "every acknowledged prediction captured, none twice, no state half done; another worker starts",
        worker_killed,
    ),
    Drill(
        "model-corrupt",
        "a version was released whose model file is damaged",
        "the version before goes on, and says why; no request fails",
        model_corrupt,
    ),
)
