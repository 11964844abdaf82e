"""Sums of windows, which states keep as running totals: exact whatever comes, goes and how large it is."""

import pytest

from mlops_assets.core.features.online import entity_state
from mlops_assets.core.features.view import FeatureView
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits, served
from mlops_assets_tests.support.features.window_oracle import LabelVersion
from mlops_assets_tests.support.features.world import (
    EPOCH,
    HOUR,
    LABEL,
    TICK,
    VIEW,
    event,
    window,
)


def test_a_missing_number_is_left_out_where_nothing_is_summed():
    largest = window("largest", "customer", "max", "amount")
    world = OnlineWorld(FeatureView("view", "id", "event_timestamp", (largest,)))
    assert served(world, event(1, 0, amount=3.0), event(2, 0.1, amount=None))["largest_2h"] == 3.0
    assert served(world, event(3, 0.2, amount=2.0))["largest_2h"] == 3.0
    assert served(world, event(4, 2.15, amount=None))["largest_2h"] == 2.0


@pytest.mark.parametrize("room", [0, 3, 8])
def test_sums_stay_exact_while_old_rows_are_dropped_and_late_ones_come_between(monkeypatch, room):
    monkeypatch.setattr(entity_state, "ROOM_ROWS", room)
    frauds = window("customer_frauds", "customer", "sum", "is_fraud", delay=3 * HOUR, **LABEL)
    world = OnlineWorld(
        FeatureView("view", "id", "event_timestamp", (*VIEW.features, frauds)), lateness=0.8 * HOUR
    )
    lake = [event(number, 0.4 * number, amount=number + 0.25) for number in range(24)]
    labels = [LabelVersion(number, EPOCH + (0.4 * number + 1) * HOUR, number % 3 % 2) for number in range(22)]
    world.load(lake, labels, as_of=EPOCH + 10 * HOUR)
    for number in range(26, 77, 3):
        if number == 53:
            known = EPOCH + 0.4 * (number - 3) * HOUR + TICK
            labels += [LabelVersion(row, known, row % 2) for row in sorted(world.served)]
            lake += world.served.values()
            world.load(lake, labels, as_of=known + TICK)
        for late in range(3):
            served(world, event(number - late, 0.4 * (number - late), amount=number + 0.75 - late * 2))
    assert all(len(state) < 4000 for state in world.states.values())
    expected = world.offline(lake, labels)
    assert {row: bits(vector) for row, vector in world.vectors.items()} == {
        row: bits(expected[row]) for row in world.vectors
    }


LARGE = 4.0e16
"""Three of them scaled by 100 have more than 63 bits together."""


@pytest.mark.parametrize("room", [0, 2, 8])
@pytest.mark.parametrize("loaded", [0, 1])
@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize(
    "amounts",
    [
        [LARGE, LARGE, LARGE, -2.75, -LARGE, 2.5, LARGE],
        [1.25, 2**40 / 100, (2**40 + 1) / 100, -(2**40) / 100, 0.5, -(2**40 + 1) / 100, 7.0],
        [2.0**62 / 100 * 0.99, -(2.0**62) / 100 * 0.99, None, 1.0, LARGE, LARGE, LARGE],
    ],
)
def test_sums_are_exact_however_large_values_are(monkeypatch, room, loaded, late, amounts):
    monkeypatch.setattr(entity_state, "ROOM_ROWS", room)
    world = OnlineWorld(VIEW)
    events = [event(number, 0.1 * number, amount=amount) for number, amount in enumerate(amounts)]
    if loaded:
        world.load(events[:loaded], [], as_of=events[loaded].event_timestamp)
        world.load(events[:loaded], [], as_of=events[loaded].event_timestamp)
    served(world, *events[loaded + late :], *events[loaded : loaded + late])
    features = served(world, event(99, 2, amount=0.0))
    total = sum(round(amount * 100.0) for amount in amounts if amount is not None)
    assert features["sum_others_5h"] == float(total) / 100.0
    assert features["sum_5h"] == float(total) / 100.0
