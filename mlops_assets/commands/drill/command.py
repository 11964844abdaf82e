"""`mlops drill`: break a served bento on purpose, under load, and show what happens."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import psutil
from rich.console import Console
from rich.table import Table

from mlops_assets.commands.drill.attack.drills import ATTACK_DRILLS
from mlops_assets.commands.drill.damaged_store import DAMAGE_DRILLS
from mlops_assets.commands.drill.failure import FAILURE_DRILLS
from mlops_assets.commands.drill.full_disk import FULL_DISK_DRILLS
from mlops_assets.commands.drill.home import make_drill_home
from mlops_assets.commands.drill.plan import PLAN_DRILLS
from mlops_assets.commands.drill.redis import REDIS_DRILLS
from mlops_assets.commands.drill.release import RELEASE_DRILLS
from mlops_assets.commands.drill.small_disk import require_small_disk
from mlops_assets.commands.drill.stage import Drill, DrillOutcome, Seen, Stage
from mlops_assets.core.errors import ConfigurationError

_ALL = (
    *RELEASE_DRILLS,
    *FAILURE_DRILLS,
    *FULL_DISK_DRILLS,
    *DAMAGE_DRILLS,
    *PLAN_DRILLS,
    *REDIS_DRILLS,
    *ATTACK_DRILLS,
)
DRILLS = {drill.name: drill for drill in _ALL}
Verdict = Literal["passed", "failed", "inconclusive"]
VERDICTS: dict[Verdict, str] = {
    "passed": "as expected",
    "failed": "NOT as expected",
    "inconclusive": "INCONCLUSIVE, the machine is too busy",
}
_COLOURED: dict[Verdict, str] = {
    "passed": "[green]yes[/]",
    "failed": "[red]no[/]",
    "inconclusive": "[yellow]inconclusive[/]",
}
BUSY_PERCENT = 50.0
"""Use of the processors by other programs from which on a time limit says nothing; an idle stage uses a few."""
SAMPLE_SECONDS = 1.0


def chosen_drills(names: Sequence[str] | None) -> list[Drill]:
    """Return the named drills, or all.

    Raises: ConfigurationError for a name that none has.
    """
    unknown = [name for name in names or () if name not in DRILLS]
    if unknown:
        raise ConfigurationError(f"there is no drill {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    return [DRILLS[name] for name in names or DRILLS]


def run_drills(drills: Sequence[Drill], *, console: Console) -> list[DrillOutcome]:
    """Play the drills one after another on one stage, in a folder that goes afterwards.

    Raises: PackagingError when the bento cannot be built or does not start; ConfigurationError where a drill needs a
    small filesystem and this user may mount none.
    """
    if any(drill.needs_small_disk for drill in drills):
        require_small_disk()
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        with console.status("making a small home and its bento"):
            stage = Stage(make_drill_home(Path(folder)))
            stage.put(1, "blue_green")
        return list(play(drills, stage, console=console))


def play(drills: Sequence[Drill], stage: Stage, *, console: Console) -> Iterator[DrillOutcome]:
    """Serve the stage's bento and play the drills on it."""
    with stage.serving():
        used = _used_by_others()
        for drill in drills:
            began = time.monotonic()
            with console.status(f"{drill.name}: {drill.done}"):
                seen = drill.play(stage)
            seconds, used_before, used = time.monotonic() - began, used, _used_by_others()
            outcome = outcome_of(drill, seen, seconds=seconds, used_percent=max(used_before, used))
            console.print(f"{outcome.name}: {VERDICTS[_verdict(outcome)]}, {seconds:.0f} s")
            yield outcome


def outcome_of(drill: Drill, seen: Seen, *, seconds: float, used_percent: float) -> DrillOutcome:
    """Judge what a drill saw.

    drill, seen: what was played. seconds: how long. used_percent: of the processors, by other programs.
    """
    is_too_busy = not seen.is_expected and seen.is_only_late and used_percent >= BUSY_PERCENT
    words = seen.words
    if is_too_busy:
        words += f"; other programs used {used_percent:.0f} % of the processors: too busy to tell"
    return DrillOutcome(
        drill.name, drill.done, drill.expected, words, seen.is_expected, seconds, is_inconclusive=is_too_busy
    )


def _used_by_others() -> float:
    """Look for SAMPLE_SECONDS which percentage of the processors is used while nothing is asked of the stage."""
    return psutil.cpu_percent(SAMPLE_SECONDS)


def _verdict(outcome: DrillOutcome) -> Verdict:
    if outcome.passed:
        return "passed"
    return "inconclusive" if outcome.is_inconclusive else "failed"


def drills_json(outcomes: Sequence[DrillOutcome]) -> dict[str, object]:
    """The machine-readable form."""
    counts = Counter(_verdict(outcome) for outcome in outcomes)
    return {
        "drills": [asdict(outcome) for outcome in outcomes],
        **{verdict: counts[verdict] for verdict in VERDICTS},
    }


def print_drills(outcomes: Sequence[DrillOutcome], *, console: Console) -> None:
    """Print a table for people."""
    table = Table(
        "drill",
        "what was done",
        "expected",
        "seen",
        "passed",
        title="Drills",
        title_justify="left",
        show_lines=True,
    )
    for outcome in outcomes:
        table.add_row(
            outcome.name, outcome.done, outcome.expected, outcome.seen, _COLOURED[_verdict(outcome)]
        )
    console.print(table)
