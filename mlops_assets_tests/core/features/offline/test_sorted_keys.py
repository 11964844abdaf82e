"""The search in sorted keys against numpy's binary search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.features.offline.sorted_keys import SortedKeys

spread = st.integers(-(2**40), 2**60)
crowded = st.integers(10**15, 10**15 + 20)
keys_or_needles = st.lists(st.one_of(spread, crowded), max_size=60)


@settings(max_examples=300, deadline=None)
@given(keys_or_needles, keys_or_needles)
def test_it_counts_the_keys_below_like_a_binary_search_however_keys_are_spread(keys, needles):
    sorted_keys = np.sort(np.array(keys, dtype=np.int64))
    asked = np.array([*needles, *keys, *(key + 1 for key in keys)], dtype=np.int64)
    assert (SortedKeys(sorted_keys).count_below(asked) == np.searchsorted(sorted_keys, asked)).all()


@pytest.mark.parametrize("key", [0, 2**63 - 1])
def test_equal_keys_are_not_below_each_other(key):
    keys = np.full(1000, key, dtype=np.int64)
    assert SortedKeys(keys).count_below(np.array([key], dtype=np.int64)).tolist() == [0]
