"""The command line: help, exit codes, messages without traceback, and decisions that release acts on."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mlops_assets import cli
from mlops_assets.core.registry.tag_names import MADE_FROM_TAG
from mlops_assets.core.release.decision import release_readiness
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FAILING_GATE,
    FRAUD,
    PASSING_GATE,
    RETRAIN,
    SmallHome,
)
from mlops_assets_tests.support.homes.small_registry import SmallRegistry

COMMANDS = sorted(
    str(command.name or command.callback.__name__)
    for command in cli.app.registered_commands
    if command.callback
)


def run(home: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command that is expected to raise nothing."""
    environment = {"MLOPS_HOME": str(home), "COLUMNS": "200", "MLFLOW_TRACKING_URI": "", "DAGSTER_HOME": ""}
    result = CliRunner().invoke(cli.app, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_commands_are_those_that_are_documented() -> None:
    assert COMMANDS == [
        "approve",
        "demo",
        "dev",
        "doctor",
        "drill",
        "gc",
        "judge",
        "override",
        "plan",
        "reject",
        "release",
        "rollback",
        "serve",
        "status",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does_and_what_each_parameter_is_for(command: str, tmp_path: Path) -> None:
    declared = get_command(cli.app).commands[command]  # pyright: ignore[reportAttributeAccessIssue]
    without = [parameter.name for parameter in declared.params if not getattr(parameter, "help", None)]
    assert without == []
    code, text = run(tmp_path, command, "--help")
    assert code == 0
    shown = " ".join(text.replace("│", " ").split())
    for parameter in declared.params:
        assert parameter.help[:40] in shown
    assert (declared.help or "")[:40] in shown


def test_the_status_of_an_empty_home_is_dashes_and_nulls(tmp_path: Path) -> None:
    code, text = run(tmp_path, "status")
    assert code == 0
    assert text.count("–") >= 14
    code, text = run(tmp_path, "status", "mortality_risk", "--json")
    (status,) = json.loads(text)["products"]
    assert (status["product"], status["rows"], status["released_version"]) == ("mortality_risk", None, None)


def test_the_status_of_a_home_says_what_stands(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    code, text = run(home.root, "status", FRAUD, "--json")
    (status,) = json.loads(text)["products"]
    assert code == 0
    assert status["rows"] == home.read("events").height
    assert status["newest_event"].startswith("2018-05-31T")
    assert status["newest_label"] == home.read("labels")["known_at"].max().isoformat(timespec="seconds")
    assert status["days_behind"] == 122  # June to September: the shipped declaration ends with 2018-09-30
    assert (status["newest_version"], status["released_version"]) == (1, 1)
    assert status["model_as_of"] == f"{AS_OF}T00:00:00+00:00"
    assert status["made_from"] == home.registry.versions(FRAUD)[-1].tags[MADE_FROM_TAG]
    assert status["gates"] == {PASSING_GATE["name"]: "pass"}
    assert status["drift"].endswith("(version 1, window until 2018-05-31)")
    code, text = run(home.root, "status", FRAUD)
    assert "behind by 122 days" in text
    assert "champion since" in text
    assert status["made_from"][:12] in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "no_such"),
        ("status", FRAUD, "no_such"),
        ("gc", "no_such", "--apply"),
        ("approve", "no_such", "1", "--by", "me", "--reason", "why"),
    ],
)
def test_an_unknown_product_ends_with_code_1_before_any_work(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["mlops", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "no product no_such: the products are fraud_detection, mortality_risk" in message
    assert not (tmp_path / "home").exists()


def test_an_error_of_the_platform_is_a_message_without_traceback(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "mlops_assets.cli", "status"],
        env={**os.environ, "MLOPS_HOME": str(tmp_path), "MLOPS_HOEM": "typo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("ConfigurationError: unknown environment variable MLOPS_HOEM")
    assert "Traceback" not in ended.stderr


def test_the_doctors_exit_code_says_whether_something_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = run(tmp_path / "file" / "home", "doctor")
    assert code == 1
    assert "→ set MLOPS_HOME to a folder" in text
    code, text = run(tmp_path / "home", "doctor", "--json")
    answer = json.loads(text[text.index("{") :])
    assert (code, answer["ok"]) == (0, True)


def test_gc_shows_then_deletes_then_finds_nothing(tmp_path: Path) -> None:
    report = tmp_path / "reports" / FRAUD / "drift_report" / "2018-04-01.html"
    report.parent.mkdir(parents=True)
    report.write_text("<html>")
    long_ago = datetime(2018, 4, 2, tzinfo=UTC).timestamp()
    os.utime(report, (long_ago, long_ago))
    code, text = run(tmp_path, "gc", FRAUD, "--json")
    removals = {entry["kind"]: entry for entry in json.loads(text[text.index("{") :])["removals"]}
    assert (code, removals["reports"]["count"], removals["reports"]["bytes"]) == (0, 1, 6)
    assert report.exists()
    code, text = run(tmp_path, "gc", FRAUD, "--apply")
    assert (code, report.exists()) == (0, False)
    assert "deleted 1 things, 6 B" in text
    assert "nothing to delete" in run(tmp_path, "gc", FRAUD)[1]


@pytest.mark.rehearsal
def test_a_person_decides_and_release_acts_on_it(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(
        tmp_path / "home", release={"approval": "manual"}, gates=[PASSING_GATE, FAILING_GATE]
    )
    home.materialize(*RETRAIN, as_of=AS_OF)
    assert home.control.standing(FRAUD) is None

    def decided(verb: str, reason: str) -> str:
        code, text = run(home.root, verb, FRAUD, "1", "--by", "ada@example.org", "--reason", reason)
        assert code == 0
        home.materialize("release")
        return text

    assert "version 1: approved by ada@example.org (looks good)" in decided("approve", "looks good")
    assert home.control.standing(FRAUD) is None, "an approval does not heal a failed gate"
    decided("override", "the gate is a placeholder")
    plan = home.standing()
    assert plan is not None
    assert plan.champion.version == 1
    assert plan.reason == "override by ada@example.org: the gate is a placeholder"
    decided("reject", "found a leak")
    decisions = home.control.record(FRAUD).decisions(1)
    assert [decision.kind for decision in decisions] == ["approved", "overridden", "rejected"]
    readiness = release_readiness(home.registry.version(FRAUD, 1), decisions, approval="manual")
    assert "found a leak" in readiness.reasons[0]


def test_a_decision_about_a_version_that_does_not_exist_says_which_there_are(
    original_registry: SmallRegistry, tmp_path: Path
) -> None:
    arguments = ["approve", FRAUD, "9", "--by", "me", "--reason", "why"]
    told = []
    for home in (tmp_path, original_registry.root):
        result = CliRunner().invoke(cli.app, arguments, env={"MLOPS_HOME": str(home)})
        told.append(str(result.exception))
    assert told[0] == (
        f"there is no registry at {tmp_path}/mlflow.db yet: materialize a product's model_version first"
    )
    assert told[1] == "fraud_detection has no version 9; it has 1, 2, 3, 4"
    assert not list(tmp_path.iterdir()), "nothing is made by looking"
