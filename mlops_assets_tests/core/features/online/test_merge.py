"""A stored state joined with a loaded one: it answers as a state that was loaded at once."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings

from mlops_assets.core.errors import KnownEventError
from mlops_assets.core.features.online.states import build_states, merge_state
from mlops_assets_tests.support.features.online_world import FIRST, OnlineWorld, bits, served
from mlops_assets_tests.support.features.window_oracle import LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames, histories, times


def test_a_correction_from_the_lakehouse_holds_from_its_own_time():
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    correction = replace(FIRST, known_at=EPOCH + 2 * HOUR, amount=30.0)
    world.load([FIRST, correction], [], as_of=EPOCH + 3 * HOUR)
    assert served(world, event(2, 2))["sum_5h"] == 4.0
    assert served(world, event(3, 3))["sum_5h"] == 32.0
    assert world.serve(FIRST).states is None
    with pytest.raises(KnownEventError):
        world.serve(replace(FIRST, amount=30.0))


def test_only_the_newest_known_version_of_a_label_counts():
    world = OnlineWorld(VIEW)
    versions = [LabelVersion(1, EPOCH + HOUR, 0), LabelVersion(1, EPOCH + 2 * HOUR, 1)]
    world.load([FIRST], versions, as_of=EPOCH + 3 * HOUR)
    before, after = served(world, event(2, 2)), served(world, event(3, 3))
    assert (before["labels_5h"], before["frauds_5h"]) == (1, 0)
    assert (after["labels_5h"], after["frauds_5h"]) == (1, 1)


def test_a_row_that_moves_to_another_entity_leaves_the_old_one():
    world = OnlineWorld(VIEW)
    moved = replace(FIRST, known_at=EPOCH + HOUR, customer="b")
    world.load([FIRST, moved], [], as_of=EPOCH + 2 * HOUR)
    assert served(world, event(2, 2))["count_others_5h"] == 0
    assert served(world, event(3, 2, customer="b"))["count_others_5h"] == 1


@settings(max_examples=30, deadline=None)
@given(histories(), times, times, times)
def test_two_loads_answer_as_the_last_one_alone(history, one, other, at):
    events, labels = history
    earlier, later = sorted((one, other))
    asked = replace(event(500, 0), event_timestamp=at, known_at=at)

    def answer(*loads: datetime) -> list[str]:
        world = OnlineWorld(VIEW, lateness=100 * HOUR)
        for as_of in loads:
            known = [v for v in events if v.known_at < as_of], [v for v in labels if v.known_at < as_of]
            world.load(*known, as_of=as_of)
        return bits(world.serve(asked).features)

    assert answer(earlier, later) == answer(later) == answer(later, later)


@settings(max_examples=30, deadline=None)
@given(histories(), times)
def test_either_side_may_be_missing(history, as_of):
    for key, state in build_states(VIEW, *frames(*history), as_of=as_of):
        assert merge_state(VIEW, key, b"", state) == merge_state(VIEW, key, state, b"") == state
