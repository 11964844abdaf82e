"""The released version, as scoring and monitoring know it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.assets.evaluation import _rival
from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.release.champion import champion_version, load_champion, made_from, reference_rows
from mlops_assets_tests.support.homes.small_home import AS_OF, FRAUD, SmallHome
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry


def test_before_the_first_release_there_is_none_and_it_says_what_to_do(
    original_registry: SmallRegistry,
) -> None:
    control = original_registry.control
    assert champion_version(control, PRODUCT) is None
    with pytest.raises(RegistryError, match=f"materialize {PRODUCT}/release"):
        load_champion(control, PRODUCT, declared_view=load_product(FRAUD).view)


def test_the_champion_is_the_released_model_with_the_tables_that_it_was_made_of(
    released_home: SmallHome,
) -> None:
    champion = load_champion(released_home.control, FRAUD, declared_view=released_home.product.view)
    assert champion.version == released_home.standing().champion.version
    assert champion.model.digest == released_home.read("model")["digest"][0]
    assert champion.as_of is not None
    assert champion.as_of.date() == AS_OF
    assert made_from(released_home.registry, FRAUD).rows() == [
        (champion.version, champion.as_of, champion.view.digest)
    ]
    assert 0 < champion.threshold < 1


def test_the_reference_is_scored_rows_that_no_tree_was_fitted_on(released_home: SmallHome) -> None:
    champion = load_champion(released_home.control, FRAUD, declared_view=released_home.product.view)
    rows = reference_rows(released_home.tables, released_home.product, champion)
    split = released_home.read("training_set", version=champion.training_set_version)
    assert set(rows["transaction_id"]) == set(split.filter(split="test")["transaction_id"])
    assert np.array_equal(rows["score"].to_numpy(), champion.model.predict(rows))
    sample = reference_rows(released_home.tables, released_home.product, champion, at_most=10)
    assert sample.height == 10
    assert sample.equals(reference_rows(released_home.tables, released_home.product, champion, at_most=10))


def test_a_version_that_another_tool_registered_is_named_with_what_it_lacks(
    original_registry: SmallRegistry, tmp_path
) -> None:
    small = replace(original_registry.copy(tmp_path / "home"))
    small.release(1)
    with pytest.raises(RegistryError, match="version 1 lacks the tags"):
        load_champion(small.control, PRODUCT, declared_view=load_product(FRAUD).view)


def test_a_champion_that_was_deleted_in_mlflow_is_still_whom_a_candidate_is_compared_with(
    released_home: SmallHome, tmp_path: Path
) -> None:
    """A gate against the champion does not pass as if there were none yet."""
    home = released_home.copy(tmp_path / "home")
    before = load_champion(home.control, FRAUD, declared_view=home.product.view)
    mlflow_client(home.uri).delete_model_version(FRAUD, str(before.version))
    rival = _rival(home.control.record(FRAUD), "another model's digest")
    assert rival is not None
    assert rival.version == before.version
    assert load_champion(home.control, FRAUD, declared_view=home.product.view).model == before.model


def test_a_candidate_is_compared_with_the_newest_champion_before_it_that_is_another_model(
    original_registry: SmallRegistry, tmp_path: Path
) -> None:
    home = original_registry.copy(tmp_path / "home")
    first, second = home.registry.versions(PRODUCT)[:2]
    assert first.digest != second.digest
    home.release(first.version)
    record = home.control.record(PRODUCT)
    assert _rival(record, first.digest) is None
    again = [
        home.registry.register(
            PRODUCT, second.model_uri, home.log_run(), digest=second.digest, tags=dict(second.tags)
        )
        for _ in range(2)
    ]
    for version in (second.version, *again):
        home.release(version)
        rival = _rival(home.control.record(PRODUCT), second.digest)
        assert rival is not None
        assert rival.version == first.version
