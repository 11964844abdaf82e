"""Whether a home with a history decides as a fresh home does, after changes to data, declaration, code and libraries.

`python -m benchmarks.changes [--sequences 40] [--seed 0]`. Each sequence begins in a home that has released a version,
and plays one to four changes: limits of gates, baselines, features redefined under the same name, dropped or added,
the cost, the split, seeds and parameters, source rows, deleted tables, a library's recorded version, code, an earlier
as-of, a second home on the same registry; most are taken back. After each change every asset from the source to the
release is materialized by Dagster. Then a fresh home is given the last data, declaration, code and libraries alone.

Compared are the verdicts of the gates, the model's digest, the threshold, the metrics of candidate and baselines, and
whether the candidate is released. No gate of the product compares with the champion: only a home with a history has
one. An upgraded library is another recorded version of the installed one. An edit of the module that fits is given to
the code's digest as text, and to the run as a fit with more regularization.

An error in any home counts as a difference. Where a registry is shared, a second home registers versions in it before
the first has released anything, and is compared up to its version: one registered model has one release record, and the
platform refuses a second.

Last, each home with a history is materialized once more with nothing changed: a setting that is tuned, a model that is
fitted or an evaluation that is made is a needless recomputation.

Last line: one JSON object with sequences, differences (sequences with any), needless_recomputations and seconds.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg

from benchmarks.changes.home import ChangesHome, Decisions, counted_work
from benchmarks.changes.sequences import Step, sequences
from benchmarks.changes.world import World
from benchmarks.result import print_json, print_table


@dataclass
class Course:
    """All sequences below one folder; decisions of fresh homes are asked for once per world."""

    folder: Path
    start: ChangesHome = field(init=False)
    """A home that released a version of the first world; only copied."""
    fresh: dict[World, Decisions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = ChangesHome(self.folder / "start")
        self.fresh[World()] = self.start.bring_to(World())
        if not self.fresh[World()].is_released:
            raise SystemExit(f"the first home released nothing: {self.fresh[World()]}")

    def play(self, number: int, steps: Sequence[Step]) -> tuple[list[str], dict[str, int]]:
        """Play one sequence; return what differs from a fresh home, and what was made needlessly afterwards."""
        root = self.folder / f"history_{number}"
        shares = any(step.elsewhere for step in steps)
        home = ChangesHome(root) if shares else self.start.copy(root)
        world = World()
        decided = self.fresh[world]
        told: list[str] = []
        for index, step in enumerate(steps):
            if step.elsewhere:
                other = ChangesHome(self.folder / f"elsewhere_{number}_{index}", home.settings.tracking_uri)
                there = replace(world, **(step.change or {}))
                decided_there = other.bring_to(there, releases=False)
                told += self._told(there, replace(decided_there, is_released=self._fresh(there).is_released))
                continue
            home.delete(step.deletes)
            world = World() if step.change is None else replace(world, **step.change)
            decided = home.bring_to(world)
        told += self._told(world, decided)
        with counted_work() as needless:
            home.bring_to(world)
        return told, dict(needless)

    def _told(self, world: World, decided: Decisions) -> list[str]:
        fresh = self._fresh(world)
        failed = {"in a home with a history": decided.error, "in a fresh home": fresh.error}
        if any(failed.values()):
            return [f"{where}: {error}" for where, error in failed.items() if error]
        return [
            f"{name}: {getattr(decided, name)!r}, in a fresh home {getattr(fresh, name)!r}"
            for name in decided.differences(fresh)
        ]

    def _fresh(self, world: World) -> Decisions:
        if world not in self.fresh:
            home = ChangesHome(self.folder / f"fresh_{len(self.fresh)}")
            self.fresh[world] = home.bring_to(world)
        return self.fresh[world]


def measure(count: int, *, seed: int, folder: Path) -> dict[str, object]:
    """Play the sequences and return the answer; what differs is printed as it is found."""
    started_at = time.monotonic()
    course = Course(folder)
    rows: list[tuple[object, ...]] = []
    for number, steps in enumerate(sequences(count, seed=seed)):
        told, needless = course.play(number, steps)
        words = " -> ".join(step.name for step in steps)
        rows.append((number + 1, words, "; ".join(told) or "none", sum(needless.values())))
        print(f"{number + 1} of {count}: {words}: {'; '.join(told) or 'equal'}; {needless}", flush=True)
    print_table("a home with a history and a fresh one", ("", "changes", "differences", "needless"), rows)
    return {
        "sequences": len(rows),
        "differences": sum(row[2] != "none" for row in rows),
        "needless_recomputations": sum(int(str(row[3])) for row in rows),
        "seconds": round(time.monotonic() - started_at, 1),
    }


def main() -> None:
    """Parse the command line, play, and print the answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sequences", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore", dg.BetaWarning)
    with tempfile.TemporaryDirectory() as folder:
        print_json(measure(options.sequences, seed=options.seed, folder=Path(folder)))


if __name__ == "__main__":
    main()
