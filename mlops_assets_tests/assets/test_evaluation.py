"""An evaluation is about one model, under one threshold, on rows that nobody who is compared has learned from."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tag_names import THRESHOLD_TAG
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    FRAUD,
    PASSING_GATE,
    SmallHome,
    small_product,
)

AGAINST_CHAMPION = {**PASSING_GATE, "name": "not_worse", "against": "champion", "margin": 0.05}


def test_the_verdicts_of_another_model_register_nothing(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    home.materialize(*CANDIDATE[:3], as_of=AS_OF + timedelta(days=3))
    with pytest.raises(RegistryError, match=r"materialize fraud_detection/evaluation first"):
        home.materialize("model_version")
    assert [version.version for version in home.registry.versions("fraud_detection")] == [1]


def test_an_edited_cost_makes_a_new_version_and_leaves_the_released_one(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    (first,) = home.registry.versions(FRAUD)
    cost = {"cost": {"false_negative": 2.0, "false_positive": 30.0}}
    costly = SmallHome(home.root, small_product(evaluation=cost))
    costly.materialize("evaluation", "model_version")
    kept, new = costly.registry.versions(FRAUD)
    assert (kept.tags[THRESHOLD_TAG], kept.evidence) == (first.tags[THRESHOLD_TAG], first.evidence)
    assert new.digest == first.digest
    assert new.tags[THRESHOLD_TAG] != first.tags[THRESHOLD_TAG]
    assert costly.control.record(FRAUD).decisions(new.version) == ()
    home.materialize("evaluation", "model_version")
    assert len(home.registry.versions(FRAUD)) == 2


def test_rows_that_the_champion_learned_from_are_taken_out_of_the_comparison(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(
        tmp_path / "home", gates=[AGAINST_CHAMPION], split={"train_days": 4, "validation_days": 3}
    )
    home.materialize(*CANDIDATE, as_of=AS_OF - timedelta(days=14))
    (verdict,) = home.read("gate_verdicts").to_dicts()
    assert verdict["verdict"] == "inconclusive"
    assert "the champion learned from" in verdict["reason"]
