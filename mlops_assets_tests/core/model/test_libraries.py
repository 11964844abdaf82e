"""The libraries of a score: written down and read back, and refused where they are something else."""

from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.libraries import installed_libraries, libraries_from_json, libraries_to_json


@given(st.dictionaries(st.text(), st.text()))
def test_libraries_read_back_equal_in_one_text_whatever_their_order(libraries: dict[str, str]) -> None:
    text = libraries_to_json(libraries)
    assert libraries_from_json(text) == libraries
    assert libraries_to_json(dict(reversed(libraries.items()))) == text


def test_the_installed_ones_are_those_that_change_a_score() -> None:
    found = installed_libraries()
    assert found["lightgbm"] == version("lightgbm")
    assert {"numpy", "polars"} <= set(found)


def test_a_model_of_before_this_was_recorded_has_none() -> None:
    assert libraries_from_json(None) == {}


@pytest.mark.parametrize("text", ["", "[]", '"lightgbm"', "{"])
def test_another_text_is_refused_and_shown(text: str) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        libraries_from_json(text)
