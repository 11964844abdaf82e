"""History as states: only what was known by then, whatever the order and the repeats of its rows."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.online.states import build_states
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames, histories, times

LATENESS = 100 * HOUR


def states(
    events: pl.DataFrame, labels: pl.DataFrame, as_of=EPOCH + 20 * HOUR, lateness=LATENESS
) -> dict[str, bytes]:
    return dict(build_states(VIEW, events, labels, as_of=as_of, lateness=lateness))


@settings(max_examples=60, deadline=None)
@given(histories(), times)
def test_what_became_known_later_changes_no_state(history, as_of):
    events, labels = frames(*history)
    known = pl.col("known_at") < as_of
    assert states(events, labels, as_of) == states(events.filter(known), labels.filter(known), as_of)


@settings(max_examples=60, deadline=None)
@given(histories(), st.randoms())
def test_states_are_the_same_bytes_whatever_the_order_and_the_repeats_of_the_rows(history, random):
    events, labels = history
    expected = states(*frames(events, labels))
    mixed = [*events, *events[:3]], [*labels, *labels[:3]]
    for rows in mixed:
        random.shuffle(rows)
    assert states(*frames(*mixed)) == expected


def test_there_is_one_state_per_entity_with_rows_within_reach_and_one_for_all_others():
    events = [event(1, 0, customer="old", terminal=None), event(2, 9, customer="new", terminal=None)]
    found = states(*frames(events, []), as_of=EPOCH + 10 * HOUR, lateness=timedelta(0))
    assert sorted(key.split("@")[0] for key in found) == ["*", "customer=new"]


@pytest.mark.parametrize("ids", [pl.Float64, pl.Boolean])
def test_an_id_that_is_neither_integer_nor_text_is_refused(ids):
    events, labels = frames([event(1, 0)], [])
    with pytest.raises(FeatureError, match="integers of 64 bits and texts"):
        states(events.cast({"id": ids}), labels.cast({"id": ids}))
