"""What stands between a version and its release: gates, approval, an override, and a process that dies midway."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.core.model.golden_answers import require_golden_answers
from mlops_assets.core.registry.tag_names import GOLDEN_TAG
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import advance_trial
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FAILING_GATE,
    FRAUD,
    LAST_DAY,
    PASSING_GATE,
    RETRAIN,
    SmallHome,
    checks_of,
    metadata_of,
)

NOW = datetime(2018, 6, 1, tzinfo=UTC)
JUDGE = ("evaluation", "model_version")


@pytest.fixture(scope="module")
def refused_home(released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory) -> SmallHome:
    """Version 1 is released; version 2, of later data, has its bento and failed a gate."""
    root = tmp_path_factory.mktemp("refused") / "home"
    home = released_home.copy(root, gates=[PASSING_GATE, FAILING_GATE])
    home.materialize(*RETRAIN, as_of=AS_OF + timedelta(days=3))
    return home


def standing(home: SmallHome) -> tuple[int, int, int]:
    """Champion by MLflow's alias, champion by plan, rows of the release history."""
    aliases, plan = MlflowRegistryTags(home.settings.tracking_uri).model(FRAUD).aliases, home.standing()
    assert plan is not None
    return aliases["champion"], plan.champion.version, home.read("release").height


def test_the_first_release_is_told_with_its_evidence(released_home: SmallHome) -> None:
    assert standing(released_home) == (1, 1, 1)
    row = released_home.read("release").row(0, named=True)
    assert (row["mode"], row["reason"], row["sequence"]) == ("blue_green", "every gate passed", 1)
    plan = released_home.standing()
    version = released_home.registry.version(FRAUD, 1)
    assert plan is not None
    assert plan.evidence["verdicts"] == version.evidence
    assert plan.evidence["bento"] == released_home.read("bento")["tag"][0]


def test_a_failed_gate_leaves_the_release_before_it_in_place(refused_home: SmallHome, tmp_path: Path) -> None:
    home = refused_home.copy(tmp_path / "home")
    versions = home.registry.versions(FRAUD)
    assert [(v.gate, v.verdict) for v in versions[-1].verdicts] == [
        ("better_than_constant", "pass"),
        ("nearly_perfect", "fail"),
    ]
    result = home.materialize("model_version", "release")
    assert result.success
    assert checks_of(result) == {
        "gate_better_than_constant": True,
        "gate_nearly_perfect": False,
        "release_is_up_to_date": False,
    }
    (told,) = [
        e.description for e in result.get_asset_check_evaluations() if e.check_name == "release_is_up_to_date"
    ]
    assert "gate nearly_perfect: fail" in str(told)
    metadata = metadata_of(result, home.key("release"))
    assert (metadata["released_version"].value, metadata["newest_version"].value) == (1, 2)
    assert standing(home) == (1, 1, 1)
    home.materialize("predictions", days=LAST_DAY)
    assert home.read("predictions")["model_version"].unique().to_list() == [1]


def test_manual_approval_holds_a_version_back_until_a_person_approves(
    refused_home: SmallHome, tmp_path: Path
) -> None:
    home = refused_home.copy(tmp_path / "home", gates=[PASSING_GATE], release={"approval": "manual"})
    result = home.materialize(*JUDGE, "bento", "release")
    assert checks_of(result)["gate_better_than_constant"] is True
    (told,) = [
        e.description for e in result.get_asset_check_evaluations() if e.check_name == "release_is_up_to_date"
    ]
    assert str(told).endswith(": no approval: run `mlops approve fraud_detection 2`")
    assert standing(home) == (1, 1, 1)

    home.decide("approved", 2, by="ada", reason="looked at the slices", at=NOW)
    result = home.materialize("release")
    assert checks_of(result) == {"release_is_up_to_date": True}
    assert standing(home) == (2, 2, 2)
    assert home.read("release").sort("sequence")["champion_version"].to_list() == [1, 2]


def test_an_approval_of_other_verdicts_counts_no_more(refused_home: SmallHome, tmp_path: Path) -> None:
    home = refused_home.copy(tmp_path / "home", gates=[PASSING_GATE], release={"approval": "manual"})
    home.decide("approved", 2, by="ada", reason="of the old verdicts", at=NOW)
    result = home.materialize(*JUDGE, "bento", "release")
    assert checks_of(result)["release_is_up_to_date"] is False
    assert standing(home) == (1, 1, 1)


def test_a_rejected_version_is_not_released_though_its_gates_pass(
    refused_home: SmallHome, tmp_path: Path
) -> None:
    home = refused_home.copy(tmp_path / "home", gates=[PASSING_GATE])
    home.decide("rejected", 2, by="ada", reason="wrong season", at=NOW)
    result = home.materialize(*JUDGE, "bento", "release")
    assert checks_of(result)["release_is_up_to_date"] is False
    assert standing(home) == (1, 1, 1)


def test_an_override_releases_and_stays_visible(refused_home: SmallHome, tmp_path: Path) -> None:
    home = refused_home.copy(tmp_path / "home")
    home.decide("overridden", 2, by="ada", reason="the gate is too strict", at=NOW)
    result = home.materialize("release")
    assert checks_of(result) == {"release_is_up_to_date": True}
    assert standing(home) == (2, 2, 2)
    newest = home.read("release").sort("sequence").row(-1, named=True)
    assert newest["reason"] == "override by ada: the gate is too strict"
    assert "override by ada" in str(metadata_of(result, home.key("release"))["decisions"].value)
    (decision,) = home.control.record(FRAUD).decisions(2)
    assert (decision.kind, decision.by) == ("overridden", "ada")


def test_a_version_without_its_own_bento_is_not_released(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    home.materialize(*RETRAIN[:5], as_of=AS_OF + timedelta(days=3))
    result = home.materialize("release")
    (told,) = [e.description for e in result.get_asset_check_evaluations()]
    assert str(told).endswith(": no bento of version 2 answered right yet: materialize fraud_detection/bento")
    assert standing(home) == (1, 1, 1)


def test_a_candidate_is_judged_beside_the_version_that_it_replaced_also_afterwards(
    refused_home: SmallHome, tmp_path: Path
) -> None:
    home = refused_home.copy(tmp_path / "home")
    home.decide("overridden", 2, by="ada", reason="to see it as champion", at=NOW)
    home.materialize("release")
    before = home.read("evaluation")
    assert "champion" in before["contender"].unique()
    result = home.materialize("evaluation")
    assert metadata_of(result, home.key("evaluation"))["changed"].value is False
    assert home.read("evaluation").equals(before)


@pytest.mark.parametrize("dies_at", ["change", "repair", "write"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_release_that_dies_midway_is_completed_by_running_it_again(
    refused_home: SmallHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str, when: str
) -> None:
    """As by a kill: SystemExit passes every handler of ordinary errors."""
    home = refused_home.copy(tmp_path / "home")
    home.decide("overridden", 2, by="ada", reason="for the test", at=NOW)
    owner = ReleaseControl if hasattr(ReleaseControl, dies_at) else type(home.tables)
    original = getattr(owner, dies_at)

    def die(*args: object, **options: object) -> None:
        if when == "after":
            original(*args, **options)
        raise SystemExit(f"killed at {dies_at}")

    with monkeypatch.context() as patched, pytest.raises((SystemExit, dg.DagsterError)):
        patched.setattr(owner, dies_at, die)
        home.materialize("release")
    assert home.read("release").height in (1, 2)
    home.materialize("release")
    assert standing(home) == (2, 2, 2)
    assert home.read("release")["sequence"].sort().to_list() == [1, 2]


def test_a_declared_canary_is_tried_on_the_ramp_and_every_plan_reaches_the_history(
    refused_home: SmallHome, tmp_path: Path
) -> None:
    policy = {"strategy": "canary", "ramp": [10, 50, 100]}
    home = refused_home.copy(tmp_path / "home", gates=[PASSING_GATE], release=policy)
    home.decide("approved", 2, by="ada", reason="read", at=NOW)
    home.materialize(*JUDGE)
    home.decide("approved", 2, by="ada", reason="read", at=NOW)
    for _ in range(2):  # the second time changes nothing
        result = home.materialize("bento", "release")
        told = {e.check_name: e.description or "" for e in result.get_asset_check_evaluations()}
        assert checks_of(result)["release_is_up_to_date"]
        assert told["release_is_up_to_date"] == "version 1 answers 90 %, version 2 answers 10 %"
        assert told["latency_holds"].startswith(
            ("version 2: pass: not compared", "version 2: pass: the p99", "version 2: inconclusive: the p99")
        )
        assert standing(home) == (1, 1, 2)
    order = Order(NOW, "ada", "looks good")
    for _ in range(2):
        advance_trial(home.control, FRAUD, order=order, approval="manual")
    assert standing(home) == (2, 2, 2), "commands do not write the table"
    home.materialize("release")
    assert standing(home) == (2, 2, 4)
    assert home.read("release").sort("sequence")["other_percent"].to_list() == [None, 10, 50, None]
    libraries = home.registry.version(FRAUD, 2).tags["mlops/libraries"]
    assert '"lightgbm"' in libraries
    require_golden_answers(home.registry.load(FRAUD, 2), home.registry.version(FRAUD, 2).tags[GOLDEN_TAG])
