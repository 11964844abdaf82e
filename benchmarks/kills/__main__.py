"""Kills every process that the platform starts, at random instants, and counts what that loses.

`python -m benchmarks.kills [--kills 200] [--seed 0]`. A small home of its own is served by `mlops serve` with two
workers, beside `mlops dev`. Clients send events, and keep what was acknowledged; an event without an answer is sent
again. Runs collect the captured predictions and load the online store; commands release, and roll back. Meanwhile
one process after the other, of a kind drawn from those that are there (worker, supervisor, follower, service, run,
code server, daemon, web server, command and so on), is killed with SIGKILL. What a person or the host's supervisor
would start again is started again; most kills do not wait until that is done. Ctrl-C ends it early, and what was done
is counted. At the end the last records are collected.

Last line: one JSON object with `kills`; `killed`, the kills of each kind; `acknowledged` predictions; `lost`, those of
them that are in no table; `doubled`, those that are there twice; `damaged`, stores and tables that cannot be read, or
fail their own check; `unfinished_runs`, which say that they go on though nothing runs any more, named in
`unfinished`; and `seconds`.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import psutil
from rich.progress import Progress

from benchmarks.dagster_instance import instance_of
from benchmarks.kills.platform import ASSETS, Platform
from benchmarks.kills.processes import KINDS, processes_of
from benchmarks.result import print_json, print_table
from mlops_assets.automation.dead_runs import GRACE, end_dead_runs
from mlops_assets.commands.drill.home import PRODUCT, THRESHOLD, DrillHome, make_drill_home
from mlops_assets.commands.drill.load import DrillLoad
from mlops_assets.commands.drill.stage import order_of
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.bento.build import build_bento
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.predictions.captured import TABLE
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG
from mlops_assets.core.release.steps import put_into_plan
from mlops_assets.core.settings import Settings
from mlops_assets.definitions import platform_resources

PER_SECOND = 20.0
LONGEST_PAUSE_SECONDS = 2.0
LONGEST_PATIENCE_SECONDS = 8.0
"""How long a kill waits at most until all answers again, before the next one comes."""
WAITED_FOR = 5
RUN_SECONDS = 40.0
"""How long a run may take until it has a process."""
LONGEST_RUN_SECONDS = 6.0
"""A run is killed at the latest so long after its process was seen."""
ACTION_SECONDS = 4.0
"""Between two things that somebody asks for, on average."""
RUNNING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
RUNNING += [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def home_in(root: Path) -> DrillHome:
    """Make a home whose lakehouse holds the rows that its online state was made of, with version 1 released."""
    home = make_drill_home(root)
    commit = CommitInfo(run_id="made for the benchmark", code_version="1")
    events = home.events.with_columns(event_date=pl.col("event_timestamp").dt.date())
    for noun, rows in {"events": events, "labels": home.labels}.items():
        tables_of(home).write(PRODUCT, noun, rows, days=None, commit=commit)
    registry = ModelRegistry(home.settings.tracking_uri)
    for number, model in enumerate(home.models, start=1):
        bento = build_bento(
            home.product, model, version=number, threshold=THRESHOLD, bentoml_home=home.settings.bentos
        )
        registry.set_version_tags(PRODUCT, number, {BENTO_TAG: bento.tag})
    first = home.control.version(PRODUCT, 1)
    put_into_plan(home.control, first, mode="blue_green", order=order_of("benchmark"), approval="automatic")
    return home


def tables_of(home: DrillHome) -> DeltaTables:
    """The home's lakehouse."""
    return DeltaTables(home.settings.tables_uri)


class Killer:
    """Draws what is killed and what is asked for meanwhile."""

    def __init__(self, platform: Platform, *, seed: int) -> None:
        self._platform = platform
        self._draw = random.Random(seed)
        self._next_action = 0.0
        self.killed: Counter[str] = Counter()

    def kill_one(self) -> None:
        """Let the platform work for a moment, kill one of its processes, and have it mended."""
        until = time.monotonic() + self._draw.uniform(0, LONGEST_PAUSE_SECONDS)
        self._act()
        time.sleep(max(0.0, until - time.monotonic()))
        found = processes_of(self._platform.home.root)
        rare = [kind for kind in found if kind in ("run", "command", "mirror")]
        # Runs and commands are there for a moment: half of the kills are theirs when they are.
        kinds = rare if rare and self._draw.random() < 0.5 else sorted(found)
        kind = self._draw.choice(kinds)
        try:
            self._draw.choice(found[kind]).kill()
        except psutil.NoSuchProcess:
            return
        self.killed[kind] += 1
        # Most kills come while something still starts; each fifth waits until all answers, as it must be able to.
        if self.killed.total() % WAITED_FOR:
            self._platform.mend(patience=self._draw.uniform(0, LONGEST_PATIENCE_SECONDS))
            return
        self._platform.mend()
        self._kill_run()

    def _kill_run(self) -> None:
        """Ask for a run that collects or loads, and kill its process at a random instant of its life."""
        self._platform.run(self._draw.choice(ASSETS))
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            if runs := processes_of(self._platform.home.root).get("run", []):
                time.sleep(self._draw.uniform(0, LONGEST_RUN_SECONDS))
                with suppress(psutil.NoSuchProcess):
                    self._draw.choice(runs).kill()
                    self.killed["run"] += 1
                return
            time.sleep(0.2)

    def _act(self) -> None:
        if time.monotonic() < self._next_action:
            return
        self._next_action = time.monotonic() + self._draw.expovariate(1 / ACTION_SECONDS)
        action = self._draw.choice([*ASSETS, "release", "rollback"])
        who = ("--by", "benchmark", "--reason", "to be killed")
        if action in ASSETS:
            self._platform.run(action)
        elif action == "release":
            self._platform.command("release", PRODUCT, str(self._draw.choice([1, 2, 3])), *who)
        else:
            self._platform.command("rollback", PRODUCT, "--to", str(self._draw.choice([1, 2, 3])), *who)


def collected(home: DrillHome) -> Counter[str]:
    """Collect what waits in the store, and return how often each prediction with a score is in the table."""
    with instance_of(home.settings) as instance:
        dg.materialize(
            list(product_definitions(home.product).assets or ()),  # pyright: ignore[reportArgumentType]
            selection=[dg.AssetKey([PRODUCT, TABLE])],
            instance=instance,
            resources=platform_resources(home.settings),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    rows = tables_of(home).read(PRODUCT, TABLE)
    return Counter(rows.filter(rows["score"].is_not_null())["prediction_id"].to_list())


def lost_and_doubled(acknowledged: Collection[str], counts: Mapping[str, int]) -> dict[str, int]:
    """Count the acknowledged predictions that are nowhere, and all predictions that are there more than once."""
    return {
        "lost": sum(one not in counts for one in acknowledged),
        "doubled": sum(count > 1 for count in counts.values()),
    }


def damaged(settings: Settings) -> list[str]:
    """Name what cannot be read any more, or fails its own check."""
    tables, wrong = DeltaTables(settings.tables_uri), []
    for name in tables.names(PRODUCT):
        try:
            tables.read(PRODUCT, name)
        except (PlatformError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            wrong.append(name)
    databases = (*Path(settings.online_store).glob("*.sqlite"), *settings.home.rglob("*.db"))
    return wrong + [file.name for file in databases if not _is_sound(file)]


def _is_sound(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except sqlite3.DatabaseError:
        return False


def unfinished_runs(home: DrillHome) -> list[str]:
    """Return the runs that say they go on, after those whose process is gone were ended, as `mlops dev` does.

    A run that was killed before it named its process is ended after a time of silence, which is not waited for here.
    Queued runs wait for the next daemon.
    """
    with instance_of(home.settings) as instance:
        end_dead_runs(instance, now=datetime.now(UTC) + 2 * GRACE)
        left = instance.get_runs(filters=dg.RunsFilter(statuses=RUNNING))
        return [f"{run.run_id} {run.job_name} {run.status.value}" for run in left]


def main() -> None:
    """Kill, and print what was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where the platform's processes log to")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder, Progress() as progress:
        task = progress.add_task("killing", total=options.kills)
        home = home_in(Path(folder) / "home")
        with Platform(home, options.log or Path(folder) / "log") as platform:
            killer = Killer(platform, seed=options.seed)
            with DrillLoad(platform.url, home.requests(), per_second=PER_SECOND) as load:
                try:
                    while killer.killed.total() < options.kills:
                        killer.kill_one()
                        progress.update(task, completed=killer.killed.total())
                except KeyboardInterrupt:
                    progress.console.print("interrupted: what was done so far is counted")
                platform.mend()
        counts = collected(home)
        unfinished = unfinished_runs(home)
        acknowledged = {a.prediction_id for a in load.answers if a.is_answered and a.prediction_id}
        found = {
            "kills": killer.killed.total(),
            "killed": dict(killer.killed),
            "acknowledged": len(acknowledged),
            **lost_and_doubled(acknowledged, counts),
            "damaged": damaged(home.settings),
            "unfinished_runs": len(unfinished),
            "unfinished": unfinished,
            "unanswered": sum(not a.is_answered for a in load.answers),
            "seconds": round(time.monotonic() - began),
        }
    print_table("Kills", ("process", "kills"), [(kind, killer.killed[kind]) for kind in KINDS])
    print_json(found)


if __name__ == "__main__":
    main()
