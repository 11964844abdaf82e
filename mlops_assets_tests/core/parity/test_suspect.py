"""Two values are the same when no bit differs, and missing is missing."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.parity.suspect import is_same

floats = st.sampled_from([0.0, -0.0, float("nan"), 1.0]) | st.floats()


@given(st.lists(st.tuples(floats, floats), min_size=1))
def test_values_are_the_same_by_their_bits_and_every_missing_value_is_like_another(
    pairs: list[tuple[float, float]],
):
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    expected = [
        struct.pack("d", one) == struct.pack("d", other) or (np.isnan(one) and np.isnan(other))
        for one, other in pairs
    ]
    assert is_same(left, right).tolist() == expected
    assert is_same(left, left).all()
