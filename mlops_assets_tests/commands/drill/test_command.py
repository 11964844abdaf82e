"""Every drill is played on a real served bento, and a drill can fail."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.commands.drill import command as drill_command
from mlops_assets.commands.drill.command import (
    BUSY_PERCENT,
    DRILLS,
    chosen_drills,
    drills_json,
    outcome_of,
    print_drills,
)
from mlops_assets.commands.drill.stage import DrillOutcome, Seen
from mlops_assets.core.errors import ConfigurationError

OUTCOMES = [
    DrillOutcome("release", "done", "expected", "seen", passed=True, seconds=1.0),
    DrillOutcome("disk-full", "done", "expected", "two records are missing", passed=False, seconds=2.0),
]


def test_a_drill_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="no drill fire; there are release, "):
        chosen_drills(["release", "fire"])


def test_outcomes_are_printed_with_what_was_seen() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_drills(OUTCOMES, console=console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "two records are missing" in text
    assert drills_json(OUTCOMES)["failed"] == 1


LATE = Seen("took 12 s", is_expected=False, is_only_late=True)
WRONG = Seen("one is lost", is_expected=False)


@pytest.mark.parametrize(
    ("seen", "used_percent", "verdict"),
    [
        (Seen("took 1 s", is_expected=True), 100.0, "passed"),
        (LATE, BUSY_PERCENT, "inconclusive"),
        (LATE, BUSY_PERCENT - 1, "failed"),
        (WRONG, 100.0, "failed"),
    ],
)
def test_only_what_was_late_on_a_busy_machine_is_inconclusive(
    seen: Seen, used_percent: float, verdict: str
) -> None:
    outcome = outcome_of(DRILLS["release"], seen, seconds=1.0, used_percent=used_percent)
    counts = drills_json([outcome])
    assert [counts[name] for name in ("passed", "failed", "inconclusive") if name != verdict] == [0, 0]
    assert counts[verdict] == 1
    assert outcome.passed is (verdict == "passed")
    assert ("100 %" in outcome.seen or "50 %" in outcome.seen) is (verdict == "inconclusive")
    console = Console(file=io.StringIO(), width=160)
    print_drills([outcome], console=console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert ("inconclusive" in text) is (verdict == "inconclusive")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [(OUTCOMES, 1), (OUTCOMES[:1], 0), ([replace(OUTCOMES[1], is_inconclusive=True)], 1)],
)
def test_the_command_ends_with_1_when_a_drill_went_wrong(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[DrillOutcome], code: int
) -> None:
    monkeypatch.setattr(drill_command, "run_drills", lambda *_, **__: outcomes)
    result = CliRunner().invoke(app, ["drill", "release", "--json"])
    assert result.exit_code == code
    assert len(json.loads(result.stdout)["drills"]) == len(outcomes)
