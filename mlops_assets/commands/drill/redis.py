"""Drills of an online store in Redis: a real one that hangs, is killed, and comes back."""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from mlops_assets.commands.drill.load import DrillLoad, LoadAnswer
from mlops_assets.commands.drill.redis_server import FOLDER_VARIABLE, RedisServer, redis_program
from mlops_assets.commands.drill.stage import (
    UNDECIDED,
    Drill,
    Seen,
    Stage,
    answered_since,
    failed,
    missing_and_repeated,
)
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.serving.prediction_record import PredictionRecord

ANSWERS = 60
"""Answers that a drill waits for before and after it breaks something."""
REFUSALS = 60
WAIT_SECONDS = 30.0
LONGEST_SECONDS = 5.0
"""Within which every request must be told something, on a busy machine."""


@dataclass(frozen=True)
class RedisSeen:
    """What a service on a Redis that went away answered, and what is in the store afterwards."""

    answers: list[LoadAnswer]
    records: list[PredictionRecord]
    ready: tuple[int, ...]
    """Status of GET /readyz while it hung, while it was away, and afterwards."""
    answered_after: int

    def judged(self) -> Seen:
        """Whether all was refused that could not be recorded, and nothing was lost."""
        refused = failed(self.answers)
        statuses = sorted({answer.status for answer in refused})
        captured = {record.event_id for record in self.records}
        left = [answer for answer in refused if answer.event_id in captured]
        untold = sum(UNDECIDED not in answer.message for answer in left)
        missing, repeated = missing_and_repeated(self.answers, self.records)
        longest = max(answer.seconds for answer in self.answers)
        words = (
            f"{len(refused)} requests got {', '.join(map(str, statuses)) or 'nothing'}, {len(left)} of them were "
            f"captured, {untold} without having been told that they may be; GET /readyz gave "
            f"{', '.join(map(str, self.ready))}; the longest answer took {longest:.1f} s; {self.answered_after} "
            f"answered afterwards; {missing} acknowledged ones missing, {repeated} recorded twice; it said: "
            f"{refused[0].message[:100] if refused else '-'}"
        )
        is_told = statuses == [503] and untold == 0 and longest < LONGEST_SECONDS
        is_ready_as_due = self.ready == (503, 503, 200)
        is_back = self.answered_after >= ANSWERS // 2
        return Seen(words, is_told and is_ready_as_due and is_back and missing == repeated == 0)


def redis_down(stage: Stage) -> Seen:
    """Serve the bento on a Redis; let that hang, then kill it, then start it again with its data."""
    try:
        redis_program()
    except (
        ConfigurationError
    ) as error:  # the other drills go on, and the table says that this one was not played
        return Seen(f"not played: {error}", is_expected=False)
    with _on_redis(stage) as (redis, on_redis):
        with on_redis.load() as load:
            load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
            redis.hang()
            _wait_for_refusals(load)
            hung = _readiness(on_redis, wanted=503)
            redis.stop()
            _wait_for_refusals(load)
            away = _readiness(on_redis, wanted=503)
            redis.start()
            back = time.monotonic()
            load.wait_for(lambda _: answered_since(load, back) >= ANSWERS, seconds=WAIT_SECONDS)
            again = _readiness(on_redis, wanted=200)
        records = on_redis.home.captured()
    return RedisSeen(load.answers, records, (hung, away, again), answered_since(load, back)).judged()


@contextlib.contextmanager
def _on_redis(stage: Stage) -> Iterator[tuple[RedisServer, Stage]]:
    """The stage's home, served on a Redis of its own that writes down every commit."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder, guarded(FOLDER_VARIABLE, folder):
        redis = RedisServer(Path(folder), ("--appendonly", "yes")).start()
        try:
            on_redis = Stage(dataclasses.replace(stage.home, online_store=redis.url))
            on_redis.home.load_states()
            # No plan changes here, so none is followed.
            with on_redis.serving(MLOPS_TABLES_URI="", MLFLOW_TRACKING_URI=""):
                yield redis, on_redis
        finally:
            redis.stop()


def _wait_for_refusals(load: DrillLoad) -> None:
    began = time.monotonic()
    load.wait_for(lambda _: len(failed(load.since(began))) >= REFUSALS, seconds=WAIT_SECONDS)


def _readiness(stage: Stage, *, wanted: int) -> int:
    """Status of GET /readyz, any worker's: `wanted` when several answers in a row gave it, else the last other one."""
    other, in_a_row, deadline = 0, 0, time.monotonic() + LONGEST_SECONDS
    while in_a_row < 5 and time.monotonic() < deadline:
        status = httpx.get(f"{stage.url}/readyz", timeout=10.0).status_code
        in_a_row = in_a_row + 1 if status == wanted else 0
        other = other if status == wanted else status
        time.sleep(0.05)
    return wanted if in_a_row == 5 else other


REDIS_DRILLS = (
    Drill(
        "redis-down",
        "the online store was a Redis, which hung, was killed, and was started again with its data",
        "503 that says so, and not ready; no request is held up; answers again afterwards; nothing acknowledged is "
        "lost",
        redis_down,
    ),
)
