"""The release plan, its history, and whether services follow, as people and machines read it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets import cli
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import put_into_plan
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file
from mlops_assets_tests.support.homes.small_registry import NOON, PRODUCT, SmallRegistry

WHO = ("--by", "ann", "--reason", "because")


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path)
    small.release(1)
    for version in (2, 3, 4):
        small.decide("approved", version)
    return small


def run(small: SmallRegistry, *arguments: str) -> str:
    """Output of a command that succeeds; its error is raised."""
    environment = {"MLOPS_HOME": str(small.root), "COLUMNS": "200", "MLFLOW_TRACKING_URI": ""}
    result = CliRunner().invoke(cli.app, list(arguments), env=environment)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_plan_shows_what_stands_what_stood_and_whether_services_follow(small: SmallRegistry) -> None:
    run(small, "release", PRODUCT, "2", "--mode", "shadow", *WHO)
    assert "none has run yet" in run(small, "plan", PRODUCT)
    FollowerStatus(1, NOON, "no answer").write(status_file(small.root / "serving", PRODUCT))
    text = run(small, "plan", PRODUCT)
    assert "shadow: version 1 answers 100 %, version 2 scores silently" in text
    assert "plan 1, last in step with the release record 2026-03-01 12:00:00 UTC; no answer" in text
    answer = json.loads(run(small, "plan", PRODUCT, "--json"))
    assert answer["standing"] == answer["history"][-1]
    assert [plan["sequence"] for plan in answer["history"]] == [1, 2]
    assert answer["follower"]["last_error"] == "no answer"


BAD = Order(NOON, "[red]ann\x1b[31m", "[/nope] \u202e \\ [link=http://evil.example]here")


def test_text_of_before_the_check_is_shown_and_harms_nothing(small: SmallRegistry) -> None:
    control = ReleaseControl(small.tables_uri, small.uri)
    put_into_plan(control, control.version(PRODUCT, 2), mode="blue_green", order=BAD, approval="automatic")
    text = run(small, "plan", PRODUCT)
    assert "[red]ann\ufffd[31m" in text
    assert "[/nope] \ufffd \\ [link=http://evil.example]here" in text
    assert json.loads(run(small, "plan", PRODUCT, "--json"))["standing"]["by"] == BAD.by
    run(small, "status", PRODUCT)
    run(small, "rollback", PRODUCT, *WHO)


@pytest.mark.parametrize("bad", ["two\nlines", "an \x1b[31mescape", "\udcff, no UTF-8", "x" * 2_001])
@pytest.mark.parametrize("option", ["--by", "--reason"])
def test_text_that_cannot_be_shown_is_refused_where_it_is_taken(
    small: SmallRegistry, bad: str, option: str
) -> None:
    who = {"--by": "ann", "--reason": "because", option: bad}
    with pytest.raises(ConfigurationError, match=option):
        run(small, "release", PRODUCT, "2", *(part for pair in who.items() for part in pair))
    assert len(json.loads(run(small, "plan", PRODUCT, "--json"))["history"]) == 1
