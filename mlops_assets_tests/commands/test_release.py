"""`mlops release`, `mlops rollback` and `mlops plan` on a real registry."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets import cli
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.release.history import write_history
from mlops_assets.core.release.plan import Arm
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry

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


def test_a_canary_is_started_changed_advanced_and_rolled_back(small: SmallRegistry) -> None:
    told = run(small, "release", PRODUCT, "2", "--mode", "canary", "--ramp", "2,20,100", *WHO)
    assert told == (
        f"{PRODUCT} plan 2: canary: version 1 answers 98 %, version 2 answers 2 %; by ann (because)\n"
    )
    run(small, "release", PRODUCT, "--advance", *WHO)
    assert small.standing().arms == (Arm(1, 80, "champion"), Arm(2, 20, "challenger"))
    run(small, "release", PRODUCT, "2", "--mode", "canary", "--percent", "7", *WHO)
    assert small.standing().arms == (Arm(1, 93, "champion"), Arm(2, 7, "challenger"))
    told = run(small, "rollback", PRODUCT, *WHO)
    assert "plan 5: rollback: version 1 answers 100 %" in told
    assert "version 2: rejected, so that it is not released again" in told


def test_without_a_version_or_mode_the_newest_is_released_as_declared(small: SmallRegistry) -> None:
    assert "plan 2: blue-green: version 4 answers 100 %" in run(small, "release", PRODUCT, *WHO)
    assert "version 1 answers 100 %" in run(small, "rollback", PRODUCT, "--to", "1", *WHO)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("release", PRODUCT, "2", "--mode", "shadow", "--percent", "5"),
            "--percent is the share of a canary",
        ),
        (("release", PRODUCT, "2", "--mode", "canary", "--ramp", "1,x"), "give percentages such as"),
        (("release", PRODUCT, "2", "--mode", "canary", "--ramp", "5,1"), "must rise"),
        (("release", PRODUCT, "9"), "has no version 9"),
        (("release", PRODUCT, "--advance"), "no version is on trial"),
        (("rollback", PRODUCT), "has no champion before it"),
        (("rollback", PRODUCT, "--to", "9"), "version 9 never was the champion"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(
    small: SmallRegistry, arguments: tuple[str, ...], told: str
) -> None:
    before = small.standing()
    with pytest.raises(PlatformError, match=told):
        run(small, *arguments, *WHO)
    assert small.standing() == before


def test_advance_takes_nothing_beside_it(small: SmallRegistry) -> None:
    with pytest.raises(SystemExit) as ended:
        run(small, "release", PRODUCT, "2", "--advance", *WHO)
    assert ended.value.code == 2


def test_no_plan_is_missing_from_the_history_whoever_made_it(small: SmallRegistry) -> None:
    tables = DeltaTables(small.tables_uri)
    commit = CommitInfo(run_id="r", code_version="1")
    for version in (2, 3):
        run(small, "release", PRODUCT, str(version), "--mode", "canary", *WHO)
    run(small, "rollback", PRODUCT, *WHO)
    history = write_history(tables, PRODUCT, small.control.record(PRODUCT).plans, commit=commit)
    assert history["sequence"].to_list() == [1, 2, 3, 4]
    assert tables.read(PRODUCT, "release").sort("sequence").equals(history)
