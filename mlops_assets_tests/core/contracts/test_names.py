"""Names that a column must not have, and two that one table cannot hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.contracts.names import OWN_NAMES, problem_with, same_but_for_case

words = st.text(st.sampled_from("abcABC_1é"), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("__")
)


@given(words)
def test_plain_words_are_names(name: str) -> None:
    assert (problem_with(name) is None) == (name not in OWN_NAMES)


@pytest.mark.parametrize(
    "name", ["", "a b", "a,b", 'a"b', "a[0]", "a:b", "a=b", "a\nb", "__place", *sorted(OWN_NAMES)]
)
def test_what_a_table_a_model_or_the_platform_cannot_hold_is_refused_by_name(name: str) -> None:
    problem = problem_with(name)
    assert problem is not None
    assert name == "" or name in problem or repr(name) in problem


@given(st.lists(words, unique=True))
def test_each_name_that_differs_from_an_earlier_one_in_case_only_is_told_with_it(names: list[str]) -> None:
    found = same_but_for_case(names)
    expected = []
    for at, name in enumerate(names):
        earlier = [other for other in names[:at] if other.casefold() == name.casefold()]
        if earlier:
            expected.append((earlier[0], name))
    assert found == expected
