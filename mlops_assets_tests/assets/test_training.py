"""The chosen setting and the fitted model: what is stored of them."""

from pathlib import Path

from mlops_assets.core.registry.learned_rows import held_out_digest
from mlops_assets.core.registry.tag_names import HELD_OUT_TAG
from mlops_assets_tests.support.homes.small_home import AS_OF, FRAUD, SmallHome


def test_one_trial_stores_the_columns_of_many(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home", tuning={"trials": 1})
    home.materialize("training_set", "hyperparameters", as_of=AS_OF)
    tried = home.read("hyperparameters")
    assert tried.height == 1
    searched = set(home.product.spec.tuning.search_space)
    assert [name for name in tried.columns if name in searched and tried[name].null_count()]
    home.with_product(lambda _: ingested_home.product).materialize("hyperparameters")
    assert home.read("hyperparameters").schema == tried.schema


def test_a_run_holds_the_digest_of_the_rows_that_its_trees_were_not_fitted_on(
    released_home: SmallHome,
) -> None:
    (version,) = released_home.registry.versions(FRAUD)
    digest = held_out_digest(released_home.read("training_set"), id_column="transaction_id")
    assert released_home.registry.run_tags(version.run_id)[HELD_OUT_TAG] == digest
