"""`mlops drill`: break a served bento on purpose, under load, and show what happens."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

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
from mlops_assets.commands.drill.stage import Drill, DrillOutcome, Stage
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
        for drill in drills:
            began = time.monotonic()
            with console.status(f"{drill.name}: {drill.done}"):
                seen = drill.play(stage)
            seconds = time.monotonic() - began
            outcome = DrillOutcome(
                drill.name, drill.done, drill.expected, seen.words, seen.is_expected, seconds
            )
            console.print(
                f"{drill.name}: {'as expected' if outcome.passed else 'NOT as expected'}, {seconds:.0f} s"
            )
            yield outcome


def drills_json(outcomes: Sequence[DrillOutcome]) -> dict[str, object]:
    """The machine-readable form."""
    return {
        "drills": [asdict(outcome) for outcome in outcomes],
        "passed": sum(outcome.passed for outcome in outcomes),
        "failed": sum(not outcome.passed for outcome in outcomes),
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
        verdict = "[green]yes[/]" if outcome.passed else "[red]no[/]"
        table.add_row(outcome.name, outcome.done, outcome.expected, outcome.seen, verdict)
    console.print(table)
