"""Whether an embedded online store loses, doubles or damages anything while its processes die and its disk is full.

Several processes commit to one store through the store's own class, each with a thread that brings the log in every two
milliseconds, and of half of them lets it begin anew after 100 pages instead of 2,000. A collector takes the records
away. At random instants one of them is killed with SIGKILL, or all at once. Again and again the disk is filled for real
until commits are refused, and freed. Each client notes on another disk what was acknowledged to it. A commit that was
refused is tried again under the same number. In the end every acknowledged commit must have one record, every state
must be what its records make of it, and every page must be sound.

The disk is a small filesystem in memory, in a mount namespace of its own. That takes util-linux (unshare, nsenter) and
the right to user namespaces, or root. `--folder` takes an empty folder instead: of a small filesystem (some 128 MB), or
with `--episodes 0` of any. `--library sqlite3` runs the same on the system's SQLite by Python's sqlite3, and
`--unowned` lets every client write checkpoints: both together are how the store was before.

Last line: one JSON object: acknowledged, lost, doubled, half_done (states that do not fit their records), damaged (of
the looks at all pages), looks, disk_full_episodes (in which commits were refused), kills, refused, seconds,
commits_per_second, sqlite (version) and library. Exit code 1 when anything was lost, doubled, half done or damaged.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.progress import Progress

from benchmarks.result import print_json, print_table
from benchmarks.store_torture.clients import (
    BACKLOG,
    COLLECTED,
    LIMIT,
    SLOTS,
    Place,
    collect_until_killed,
    commit_until_killed,
    forked,
)
from benchmarks.store_torture.ledger import Balance, balance
from mlops_assets.commands.drill.small_disk import SmallDisk, small_disk
from mlops_assets.core.errors import ConfigurationError, OnlineStoreError
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.embedded.library import sqlite_version

DISK_BYTES = 128 << 20
LIVES_SECONDS = (0.02, 0.4)
"""Between two kills."""
ALL_AT_ONCE = 0.1
"""Share of the kills that hit every process."""
REFUSALS = 20
"""That end a disk-full episode."""
EPISODE_SECONDS = 20.0
EXAMINE_SECONDS = 600.0
LARGEST_DISK_BYTES = 1 << 30
"""That is filled: who names a folder of a large disk by mistake keeps it."""


@dataclass
class Torture:
    """The processes of one store, and what was done to them."""

    place: Place
    disk: SmallDisk
    clients: int
    draw: random.Random
    done: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    """What was found wrong, in words."""
    running: dict[int, int] = field(default_factory=dict)
    """Slot to process; the collector has the slot after the clients'."""

    def run(self, commits: int, episodes: int) -> None:
        """Go on until so many commits were acknowledged, or the store is damaged."""
        due = [commits * (number + 1) // (episodes + 1) for number in range(episodes)]
        self._start_missing()
        with Progress(transient=True) as progress:
            task = progress.add_task("commits", total=commits)
            parent = os.getppid()
            while ((acknowledged := self.acknowledged()) < commits or due) and not self.done["damaged"]:
                if os.getppid() != parent:
                    raise SystemExit("whoever started this has ended")
                progress.update(task, completed=acknowledged)
                time.sleep(self.draw.uniform(*LIVES_SECONDS))
                if due and acknowledged >= due[0]:
                    due.pop(0)
                    self._fill_the_disk()
                    self._look()
                else:
                    self._kill()
                self._start_missing()
        self._kill_all()
        self._look()

    def acknowledged(self) -> int:
        """How many commits were acknowledged so far."""
        return sum(self.place.counts[:SLOTS])

    def refused(self) -> int:
        """How many tries were refused so far."""
        return sum(self.place.counts[SLOTS:COLLECTED])

    def _start_missing(self) -> None:
        for slot in range(self.clients + 1):
            if slot in self.running:
                continue
            if slot == self.clients:
                self.running[slot] = forked(collect_until_killed, self.place)
                continue
            self.done["started"] += 1
            name = f"{slot}.{self.done['started']}"
            self.running[slot] = forked(commit_until_killed, self.place, slot, name)

    def _kill(self) -> None:
        if self.draw.random() < ALL_AT_ONCE:
            self._kill_all()
        else:
            self._end(self.draw.choice(list(self.running)))

    def _kill_all(self) -> None:
        for process in self.running.values():
            os.kill(process, signal.SIGKILL)
        for slot in list(self.running):
            self._end(slot)

    def _end(self, slot: int) -> None:
        process = self.running.pop(slot)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        self.done["kills"] += 1
        if os.WIFEXITED(status):
            self.told.append(f"a process of slot {slot} ended by itself with code {os.WEXITSTATUS(status)}")
            self.done["ended"] += 1

    def _fill_the_disk(self) -> None:
        """Fill the disk while nobody collects, until commits are refused; kill one; free the disk."""
        before = self.refused()
        self._end(self.clients)
        self.place.counts[LIMIT] = 2**60
        self.disk.fill()
        deadline = time.monotonic() + EPISODE_SECONDS
        while self.refused() < before + REFUSALS and time.monotonic() < deadline:
            time.sleep(0.01)
        self.done["disk_full_episodes"] += self.refused() > before
        self._kill()
        time.sleep(self.draw.uniform(0.0, 0.1))
        self.disk.free()
        self.place.counts[LIMIT] = BACKLOG

    def _look(self) -> None:
        """Look at every page, in a process of its own: this one holds no lock of the store."""
        self.done["looks"] += 1
        ours, theirs = os.pipe()
        child = forked(_report, self.place.file, theirs)
        os.close(theirs)
        with os.fdopen(ours) as answer:
            said = answer.read()
        os.waitpid(child, 0)
        if said != "sound":
            self.done["damaged"] += 1
            self.told.append(said or "the process that looked at the pages died")


def _report(file: Path, to: int) -> None:
    try:
        found = examine(file, seconds=EXAMINE_SECONDS)
        said = found.damage or ("sound" if found.is_complete else "the look did not end in time")
    except OnlineStoreError as error:
        said = str(error)
    os.write(to, said.encode())


def main(arguments: list[str] | None = None) -> None:
    """Torture a store on a small disk, print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.store_torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--commits", type=int, default=1_000_000, help="acknowledged ones (default: %(default)s)"
    )
    parser.add_argument("--clients", type=int, default=3, help="processes that commit (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=20, help="full disks (default: %(default)s)")
    parser.add_argument(
        "--pause", type=float, default=0.002, help="seconds between checkpoints (default: %(default)s)"
    )
    parser.add_argument(
        "--library", choices=("apsw", "sqlite3"), default="apsw", help="what the store runs on"
    )
    parser.add_argument("--unowned", action="store_true", help="every client writes checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="of the kills (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an empty folder of a small filesystem")
    options = parser.parse_args(arguments)
    if options.folder is not None:
        free = SmallDisk(options.folder, options.folder, ()).free_bytes()
        if options.episodes and free > LARGEST_DISK_BYTES:
            parser.error(
                f"{options.folder} has {free:,} bytes free: take a smaller filesystem, or --episodes 0"
            )
        raise SystemExit(torture(options))
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        try:
            with small_disk(Path(folder), size_bytes=DISK_BYTES) as disk:
                given = sys.argv[1:] if arguments is None else arguments
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.store_torture",
                    *given,
                    f"--folder={disk.folder}",
                ]
                code = subprocess.run([*disk.launcher, *command], check=False).returncode
        except ConfigurationError as error:
            parser.error(str(error))
    raise SystemExit(code)


def torture(options: argparse.Namespace) -> int:
    """Torture a store in `options.folder`; return the exit code."""
    began = time.monotonic()
    disk = SmallDisk(options.folder, options.folder, ())
    with tempfile.TemporaryDirectory(prefix="torture-logs-") as logs:
        place = Place(
            file=options.folder / "shop.sqlite",
            logs=Path(logs),
            library=options.library,
            is_owned=not options.unowned,
            pause_seconds=options.pause,
            counts=multiprocessing.RawArray("Q", LIMIT + 1),
        )
        place.counts[LIMIT] = BACKLOG
        course = Torture(place, disk, options.clients, random.Random(options.seed))
        try:
            course.run(options.commits, options.episodes)
            seconds = time.monotonic() - began
            found = _balance(place, course)
        finally:
            course._kill_all()
    result = {
        **asdict(found),
        **{key: course.done[key] for key in ("damaged", "looks", "disk_full_episodes", "kills")},
        "refused": course.refused(),
        "seconds": seconds,
        "commits_per_second": found.acknowledged / seconds,
        "sqlite": sqlite_version() if options.library == "apsw" else sqlite3.sqlite_version,
        "library": options.library,
    }
    for words in course.told[:20]:
        print(words)
    print_table("A store under torture", ("", "count"), [(key, value) for key, value in result.items()])
    print_json(result)
    return int(any(result[key] for key in ("lost", "doubled", "half_done", "damaged")))


def _balance(place: Place, course: Torture) -> Balance:
    try:
        return balance(place)
    except OnlineStoreError as error:
        course.told.append(f"the store cannot be read to its end: {error}")
        course.done["damaged"] += not course.done["damaged"]
        acknowledged = course.acknowledged()
        return Balance(acknowledged, lost=-1, doubled=-1, half_done=-1)


if __name__ == "__main__":
    main()
