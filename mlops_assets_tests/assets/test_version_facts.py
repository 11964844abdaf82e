"""A version is a set of facts: what is declared later makes another one, and nobody is judged on learned rows."""

from datetime import timedelta
from pathlib import Path

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
