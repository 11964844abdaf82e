"""`mlops judge` on a home with a canary, and without one."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.commands.judge import judge_product, print_judged, write_plot
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import roll_back
from mlops_assets_tests.support.homes.canary_home import (
    BEGAN_AT,
    PRODUCT,
    CanaryHome,
    make_canary_home,
    served,
)

NOW = BEGAN_AT + timedelta(hours=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CanaryHome:
    home = make_canary_home(tmp_path_factory.mktemp("home"))
    home.capture(served(home, sequence=2, requests=2_500, errors=(0.0, 0.05)))
    return home


def shown(home: CanaryHome, now: datetime = NOW) -> str:
    console = Console(width=200, record=True, quiet=False)
    with console.capture() as captured:
        print_judged(judge_product(home.settings, PRODUCT, now=now), console=console)
    return captured.get()


def test_people_see_every_question_and_the_sentence(home: CanaryHome) -> None:
    text = shown(home)
    assert "version 2 beside 1, plan 2" in text
    assert "roll back: version 2 at 50 % does harm: error " in text
    assert "not asked: latency" in text
    for question in ("error", "more_decisions", "fewer_low_scores", "loss"):
        assert question in text


def test_machines_get_json_without_infinities(home: CanaryHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    answer = CliRunner().invoke(app, ["judge", PRODUCT, "--json"])
    assert answer.exit_code == 0, answer.output

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(answer.stdout.strip().splitlines()[-1], parse_constant=refuse)
    assert document["action"] == "roll_back"
    assert document["canary"] == {
        "champion": 1,
        "challenger": 2,
        "percent": 50,
        "plan_sequence": 2,
        "since": BEGAN_AT.isoformat(),
    }
    assert {row["question"] for row in document["evidence"] if row["verdict"] == "harm"} == {"error"}


def test_the_picture_is_a_png(home: CanaryHome, tmp_path: Path) -> None:
    write_plot(judge_product(home.settings, PRODUCT, now=NOW), tmp_path / "evidence.png")
    assert (tmp_path / "evidence.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_canary_it_says_so(home: CanaryHome, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = judge_product(home.settings, "mortality_risk", now=NOW)
    assert judged.to_json()["reason"] == "no canary stands"
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    answer = CliRunner().invoke(app, ["judge", "mortality_risk"])
    assert answer.exit_code == 0
    assert "no canary stands; `mlops release` starts one" in answer.output


def test_the_last_judgement_on_a_canary_that_has_ended_is_shown(tmp_path: Path) -> None:
    home = make_canary_home(tmp_path)
    home.capture(served(home, sequence=2, requests=2_500, errors=(0.0, 0.05)))
    judge_product(home.settings, PRODUCT, now=NOW)
    roll_back(home.control, PRODUCT, order=Order(NOW, "ann", "enough"))
    ended = judge_product(home.settings, PRODUCT, now=NOW + timedelta(minutes=1))
    again = judge_product(home.settings, PRODUCT, now=NOW + timedelta(minutes=2))
    assert ended.last is not None
    assert again.last is not None
    assert again.last.equals(ended.last)
    assert ended.last["is_final"].all()
    text = shown(home, NOW + timedelta(minutes=3))
    assert "the last judgement: version 2 beside 1, plan 2, 2026-03-02 02:01 UTC" in text
    assert "roll back: version 2 at 50 % does harm: error " in text
    rows = ended.to_json()["last_judgement"]
    assert {row["question"] for row in rows if row["verdict"] == "harm"} == {"error"}
    json.dumps(rows, allow_nan=False)
