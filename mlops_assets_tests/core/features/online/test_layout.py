"""What states keep, and under which keys."""

import struct
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import LARGEST_PLAIN, NULL, StreamColumns, entity_layouts
from mlops_assets.core.features.online.states import merge_state
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets_tests.support.features.online_world import FIRST, VALID, OnlineWorld, served
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event


def test_versions_with_other_features_of_one_view_share_states():
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    states = dict(world.states)
    fewer = OnlineWorld(VIEW, ["count_2h"])
    served(fewer, FIRST)
    assert fewer.states == states


def test_a_view_that_keeps_other_columns_has_states_of_its_own():
    wider = WindowFeature("top_{window}", "events", "customer", "max", (HOUR,), "", column="terminal")
    other = FeatureView("view", "id", "event_timestamp", (*VIEW.features, wider))
    mine, theirs = OnlineFeatures(VIEW), OnlineFeatures(other)
    assert mine.keys(VALID)[0] != theirs.keys(VALID)[0]
    assert mine.keys(VALID)[1] == theirs.keys(VALID)[1]
    assert mine.empty_key != theirs.empty_key
    with pytest.raises(OnlineStoreError, match="another view"):
        merge_state(VIEW, theirs.keys(VALID)[0], b"x", b"x")


@pytest.mark.parametrize(("hours", "is_seen"), [(4.9, True), (5, False)])
def test_a_layout_looks_back_as_far_as_its_longest_window(hours: float, is_seen: bool):
    layout = entity_layouts(VIEW)[0]
    assert (layout.entity, layout.lookback) == (
        "customer",
        (5 + 1) * 3_600_000_000,
    )  # `distinct_others` sees an hour late
    old = replace(FIRST, event_timestamp=EPOCH - hours * HOUR, known_at=EPOCH - hours * HOUR)
    world = OnlineWorld(VIEW, lateness=timedelta(0))
    served(world, old)
    assert served(world, event(2, 0))["count_others_5h"] == is_seen


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_entity_has_no_key_and_negative_zero_is_zero(missing: float | None):
    layout = entity_layouts(VIEW)[1]
    assert layout.key(missing) is None
    assert layout.key(-0.0) == layout.key(0.0) != layout.key(1.0)


@given(st.lists(st.none() | st.floats(-10, 10), min_size=2, max_size=2), st.integers(-(2**50), 2**50))
def test_a_row_is_plain_without_missing_and_huge_values(numbers: list[float | None], scaled: int):
    columns = StreamColumns(numbers=("a", "b"), scaled=(("c", 2),))
    words = struct.unpack("=2q", struct.pack("=2d", *(float("nan") if n is None else n for n in numbers)))
    assert columns.has_null([*words, scaled]) == (None in numbers or abs(scaled) > LARGEST_PLAIN)
    assert columns.has_null([*struct.unpack("=2q", struct.pack("=2d", 1, 1)), NULL])
