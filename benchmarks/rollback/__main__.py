"""How long a bad version goes on answering once somebody says `mlops rollback`, and whether a request fails meanwhile.

`python -m benchmarks.rollback [--repeats 3] [--rate 100] [--workers 1]`. Two versions of mortality_risk, fitted on the
product's synthetic sample, are registered in an MLflow of their own; version 1's bento is served by `bentoml serve` in
its own processes and follows the registry. Under a steady load of `--rate` requests a second, version 2 is released by
command, and when it answers, `mlops rollback` is run as a process of its own. Timed is from just before that process
starts to the last answer of version 2. Every answer that is not 200, and every request without an answer, counts as
failed, from the first request to the last. Last line: one JSON object with seconds (median; `spread` has minimum and
maximum), failed_requests (of all repeats), requests, and seconds_to_release: the same time for the release before it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.result import print_json, print_table
from benchmarks.rollback.setup import PRODUCT, SetUp, set_up
from mlops_assets.core.bento.server import served

SETTLE_SECONDS = 3.0
"""The load goes on for so long after the last switch, to see an answer that comes late."""
LONGEST_SECONDS = 60.0


@dataclass
class Load:
    """What was asked and answered."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    """When it came, by the monotonic clock, and which version gave it."""
    failed: list[str] = field(default_factory=list)

    def last_answer(self, version: int) -> float:
        """Return when the version answered last."""
        return max(at for at, by in self.answers if by == version)


@dataclass(frozen=True)
class Turn:
    """One release and its rollback."""

    release_seconds: float
    rollback_seconds: float
    command_seconds: float
    """Of the rollback's process alone."""
    load: Load


async def keep_asking(
    client: httpx.AsyncClient, event: Mapping[str, object], load: Load, *, rate: float
) -> None:
    """Send the event `rate` times a second until cancelled; a slow answer delays no other request."""
    pending: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    try:
        while True:
            task = asyncio.create_task(_ask(client, event, load))
            pending.add(task)
            task.add_done_callback(pending.discard)
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    finally:
        await asyncio.gather(*pending)


async def _ask(client: httpx.AsyncClient, event: Mapping[str, object], load: Load) -> None:
    try:
        answer = await client.post("/predict", json=event)
    except httpx.HTTPError as error:
        load.failed.append(repr(error))
        return
    if answer.status_code != httpx.codes.OK:
        load.failed.append(f"{answer.status_code}: {answer.text[:200]}")
        return
    load.answers.append((time.monotonic(), answer.json()["version"]))


async def run_command(environment: Mapping[str, str], *arguments: str) -> tuple[float, float]:
    """Run `mlops` as a process; return when it was started and when it ended."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mlops_assets.cli",
        *arguments,
        "--by=benchmark",
        "--reason=to measure it",
        env={**environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"mlops {' '.join(arguments)} failed:\n{output.decode()}")
    return began, time.monotonic()


async def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for it; the load goes on."""
    end = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not happen within {LONGEST_SECONDS:.0f} s")
        await asyncio.sleep(0.05)


async def one_turn(url: str, ready: SetUp, environment: Mapping[str, str], *, rate: float) -> Turn:
    """Release version 2 under load, roll it back, and watch who answers."""
    load = Load()
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=url, timeout=10.0, limits=limits) as client:
        asking = asyncio.create_task(keep_asking(client, ready.event, load, rate=rate))
        try:
            await wait_until(
                lambda: bool(load.answers) and load.answers[-1][1] == 1, "an answer of version 1"
            )
            released, _ = await run_command(environment, "release", PRODUCT, "2", "--mode=blue-green")
            await wait_until(lambda: _answers_alone(load, 2), "the release of version 2")
            switched = load.last_answer(1)
            began, ended = await run_command(environment, "rollback", PRODUCT)
            await wait_until(lambda: _answers_alone(load, 1), "the rollback to version 1")
            await asyncio.sleep(SETTLE_SECONDS)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    return Turn(switched - released, load.last_answer(2) - began, ended - began, load)


def _answers_alone(load: Load, version: int) -> bool:
    return len(load.answers) > 50 and {by for _, by in load.answers[-50:]} == {version}


@contextmanager
def serving(options: argparse.Namespace) -> Iterator[tuple[str, SetUp, dict[str, str]]]:
    """Serve version 1 from a home of its own."""
    with tempfile.TemporaryDirectory(prefix="rollback-") as folder:
        home = Path(folder) / "home"
        ready = set_up(home)
        follows = {
            "MLOPS_HOME": str(home),
            "MLOPS_TABLES_URI": ready.control.tables_uri,
            "MLFLOW_TRACKING_URI": ready.control.tracking_uri,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        with served(
            ready.bento, home=home, timeout_seconds=180, workers=options.workers, environment=follows
        ) as server:
            yield server.url, ready, {**environment, **follows}


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollback", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the service")
    options = parser.parse_args(arguments)
    turns = []
    with serving(options) as (url, ready, environment):
        for _ in range(options.repeats):
            turns.append(asyncio.run(one_turn(url, ready, environment, rate=options.rate)))
            ready.forgive()
    seconds = [turn.rollback_seconds for turn in turns]
    failed = [failure for turn in turns for failure in turn.load.failed]
    columns = ("turn", "release, s", "rollback, s", "of it the command, s", "answers", "failed")
    print_table(
        f"From command to the last answer of the other version, at {options.rate:g} requests a second",
        columns,
        [
            (
                number,
                t.release_seconds,
                t.rollback_seconds,
                t.command_seconds,
                len(t.load.answers),
                len(t.load.failed),
            )
            for number, t in enumerate(turns, start=1)
        ],
    )
    for failure in failed[:3]:
        print(f"failed: {failure}")
    print_json(
        {
            "seconds": statistics.median(seconds),
            "spread": [min(seconds), max(seconds)],
            "failed_requests": len(failed),
            "requests": sum(len(turn.load.answers) + len(turn.load.failed) for turn in turns),
            "seconds_to_release": statistics.median(turn.release_seconds for turn in turns),
        }
    )


if __name__ == "__main__":
    main()
