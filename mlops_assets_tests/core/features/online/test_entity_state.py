"""The bytes of one entity's state: how they grow, what they drop, and which are refused."""

import struct

import pytest

from mlops_assets.core.errors import InvalidEventError, OnlineStoreError
from mlops_assets.core.features.online import entity_state
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.online_world import FIRST, VALID, OnlineWorld, bits, served
from mlops_assets_tests.support.features.window_oracle import LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames


def test_rows_that_no_window_reaches_are_dropped():
    world = OnlineWorld(VIEW, lateness=HOUR)
    for number in range(40):
        served(world, event(number, number))
    sizes = {key: len(state) for key, state in world.states.items()}
    for number in range(40, 80):
        served(world, event(number, number))
    assert {key: len(state) for key, state in world.states.items()} == sizes
    with pytest.raises(InvalidEventError, match="lies before"):
        world.serve(event(99, 70))


@pytest.mark.parametrize("damage", [lambda state: b"\x09" + state[1:], lambda s: s[:-8], lambda s: s[:3]])
def test_a_state_that_is_none_of_ours_is_an_error_of_the_store(damage):
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    world.states = {key: damage(state) for key, state in world.states.items()}
    with pytest.raises(OnlineStoreError, match="materialize online_features again"):
        world.serve(event(2, 1))


def test_newer_events_change_the_beginning_of_a_state_until_its_room_is_full():
    world, key = OnlineWorld(VIEW), OnlineFeatures(VIEW).keys(VALID)[1]
    block = 48 + 8 * entity_state.ROOM_ROWS * entity_layouts(VIEW)[1].event_width
    served(world, FIRST)
    first = world.states[key]
    for number in range(entity_state.ROOM_ROWS):
        served(world, event(2 + number, 0.1 * (1 + number)))
        assert (len(world.states[key]), world.states[key][block:]) == (len(first), first[block:])
    served(world, event(20, 1.9))
    assert len(world.states[key]) > len(first)
    served(world, event(21, 1.95), event(22, 1.7))
    expected = world.offline([], [])
    assert {row: bits(vector) for row, vector in world.vectors.items()} == {
        row: bits(expected[row]) for row in world.vectors
    }


def test_states_have_the_same_bytes_on_machines_of_either_byte_order():
    events, labels = frames([FIRST, event(2, 1)], [LabelVersion(1, EPOCH + HOUR, 1)])
    ours = dict(build_states(VIEW, events, labels, as_of=EPOCH + 2 * HOUR))
    words = struct.unpack("<4q", ours[OnlineFeatures(VIEW).keys(VALID)[0]][48:80])
    assert words[:2] == (as_microseconds(EPOCH), as_microseconds(EPOCH + HOUR))
    assert entity_state.swapped(entity_state.swapped(struct.pack("=q", 5))) == struct.pack("=q", 5)
    assert entity_state.swapped(struct.pack("<q", 5)) == struct.pack(">q", 5)
