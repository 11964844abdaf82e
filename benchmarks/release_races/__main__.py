"""Whether two writers of a release at the same instant, killed between writes, ever both win or leave readers apart.

`python -m benchmarks.release_races [--races 1000] [--places folder,server,object_store] [--seed 0]`. In each race two
processes decide on the same record, wait for each other, and commit: a plan against a plan, or a plan against a
rejection of its version. In every third race one of them is to be killed with SIGKILL: before the record's commit,
after it, after one of the calls that bring MLflow up to it, or at a moment drawn at random. Then a third process
repairs what MLflow shows and asks every reader. Every 25 races begin a new record, so that its creation is raced for
too. Places: tables in a folder with MLflow on SQLite (`folder`), the same with MLflow behind its server (`server`),
tables in an S3 store (`object_store`, SeaweedFS).

Last line: one JSON object, by place: races, double_wins (races with two winning plans), lost_wins (no winner, or a
writer that was told something else than the record says), unseen_rejections (a plan with a version that had been
rejected before it), disagreements (readers that differ after the repair), kills, left_behind (races after which MLflow
had to be repaired) and seconds.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks.release_races.places import PLACES, Place
from benchmarks.release_races.writers import (
    VERSIONS,
    Kind,
    Seen,
    Task,
    read_until_told,
    task_time,
    write_until_told,
)
from benchmarks.result import print_json, print_table
from mlops_assets.core.registry.mlflow_client import quiet_mlflow
from mlops_assets.core.release.notes import REFUSED

RACES_PER_RECORD = 25
KILLED_EVERY = 3
REJECTED_EVERY = 5
KEYS = ("races", "double_wins", "lost_wins", "unseen_rejections", "disagreements", "kills", "left_behind")
KILLED = "killed"


@dataclass
class Process:
    """A forked process that answers over a pipe."""

    process: BaseProcess
    connection: Any
    """Its end of the pipe, whose class differs between systems."""

    @classmethod
    def forked(cls, target: Any, *arguments: Any) -> "Process":
        """Fork; this process has loaded what the child needs, and used none of it."""
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(*arguments, theirs), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def answer(self) -> Any:
        """Wait for the answer; KILLED when the process has ended instead."""
        wait([self.connection, self.process.sentinel])
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return KILLED

    def ask(self, question: object) -> Any:
        """Send the question and wait for the answer."""
        self.connection.send(question)
        return self.answer()

    def end(self) -> None:
        """End it and wait."""
        self.process.kill()
        self.process.join()


@dataclass
class Course:
    """All races at one place."""

    place: Place
    draw: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    """What went wrong, in words."""

    def __post_init__(self) -> None:
        self.barrier = multiprocessing.get_context("fork").Barrier(2)
        self.reader = Process.forked(read_until_told, self.place)
        self.writers = [self._new_writer() for _ in range(2)]

    def run(self, races: int) -> None:
        """Race, look, and count."""
        rows = 0
        for number in range(races):
            product = f"product_{number // RACES_PER_RECORD}"
            if number % RACES_PER_RECORD == 0:
                rows = 0
                self.reader.ask(("register", product))
            tasks = self._tasks(number, product)
            if number % REJECTED_EVERY == 1:
                version, rows = self.reader.ask(("allow", product))
                pair: list[Kind] = ["ready", "reject"]
                tasks = [replace(t, kind=k, version=version) for t, k in zip(tasks, pair, strict=True)]
            answers = self._race(tasks)
            seen = self.reader.ask(("look", product))
            if not isinstance(seen, Seen):
                raise SystemExit(f"race {number}: the reader died of what it found: {tasks}")
            self._count(number, tasks, answers, seen, before=rows)
            rows = len(seen.rows)

    def end(self) -> None:
        """End all processes."""
        for process in (self.reader, *self.writers):
            process.end()

    def _new_writer(self) -> Process:
        return Process.forked(write_until_told, self.place, self.barrier)

    def _tasks(self, number: int, product: str) -> list[Task]:
        kinds: list[Kind] = ["release", "canary", "rollback"]
        version = self.draw.choice(VERSIONS)
        tasks = [
            Task(product, f"race {number} {who}", self.draw.choice(kinds), task_time(number), version)
            for who in "ab"
        ]
        if number % KILLED_EVERY == 0:
            killed = self.draw.randrange(2)
            is_timed = self.draw.random() < 0.3
            deadline: dict[str, Any] = (
                {"dies_after_seconds": self.draw.uniform(0.0, 0.1)}
                if is_timed
                else {"dies_after_writes": self.draw.randrange(7)}
            )
            tasks[killed] = replace(tasks[killed], **deadline)
        return tasks

    def _race(self, tasks: list[Task]) -> list[str | None]:
        for writer, task in zip(self.writers, tasks, strict=True):
            writer.connection.send(task)
        answers = [writer.answer() for writer in self.writers]
        for index, answer in enumerate(answers):
            if answer == KILLED:
                self.counts["kills"] += 1
                self.writers[index] = self._new_writer()
            elif tasks[index].dies_after_seconds is not None:
                self.writers[index].end()  # its time comes later
                self.writers[index] = self._new_writer()
        return answers

    def _count(
        self, number: int, tasks: list[Task], answers: list[str | None], seen: Seen, *, before: int
    ) -> None:
        new = seen.rows[before:]
        written = {by for kind, by, _ in new if kind != REFUSED}  # a refusal is noted, and wins nothing
        plans = [by for kind, by, _ in new if kind == "plan"]
        is_rejection = any(task.kind == "reject" for task in tasks)
        self.counts["races"] += 1
        self.counts["left_behind"] += seen.is_left_behind
        problems = [("disagreements", words) for words in seen.disagreements]
        if len(plans) > 1:
            problems.append(("double_wins", f"{plans} both stand"))
        if not plans and not is_rejection:
            problems.append(("lost_wins", "nobody won"))
        for task, answer in zip(tasks, answers, strict=True):
            if answer != KILLED and (answer is None) != (task.by in written):
                problems.append(("lost_wins", f"{task.by} was told {answer!r}"))
        if is_rejection and not is_in_order(new):
            problems.append(("unseen_rejections", str(new)))
        for key, words in problems:
            self.counts[key] += 1
            self.told.append(f"race {number}: {key}: {words}")


def is_in_order(rows: tuple[tuple[str, str, int | None], ...]) -> bool:
    """Tell whether no plan of these rows puts in a version that one before it rejects."""
    rejected: set[int | None] = set()
    for kind, _, version in rows:
        if kind == "plan" and version in rejected:
            return False
        if kind == "rejected":
            rejected.add(version)
    return True


def main(arguments: list[str] | None = None) -> None:
    """Race at every place, print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release_races", description=__doc__)
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--places", default=",".join(PLACES), help="separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    _load_what_children_need()
    results = {}
    for name in options.places.split(","):
        with tempfile.TemporaryDirectory(prefix="races-") as root, PLACES[name](Path(root)) as place:
            course, began = Course(place, random.Random(options.seed)), time.monotonic()
            try:
                course.run(options.races)
            finally:
                course.end()
            results[name] = {key: course.counts[key] for key in KEYS} | {
                "seconds": round(time.monotonic() - began, 1)
            }
            for words in course.told[:5]:
                print(f"{name}: {words}")
    columns = ("place", *KEYS, "seconds")
    print_table(
        "Two writers at the same instant", columns, [(n, *found.values()) for n, found in results.items()]
    )
    print_json(results)


def _load_what_children_need() -> None:
    """Load MLflow before forking, which takes seconds; nothing of it or of deltalake is used in this process."""
    quiet_mlflow()
    import deltalake  # noqa: F401
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401


if __name__ == "__main__":
    main()
