"""Window features of one request: which rows an event sees."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.online_world import FIRST, OnlineWorld, served
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion, window_features
from mlops_assets_tests.support.features.world import EPOCH, HOUR, TICK, VIEW, event, histories, times


def test_a_new_entity_has_empty_windows():
    features = served(OnlineWorld(VIEW), FIRST)
    assert (features["count_2h"], features["count_others_2h"], features["sum_others_2h"]) == (1, 0, 0)
    assert (features["max_others_2h"], features["fraud_share_2h"], features["last_others_2h"]) == (
        None,
        0,
        -1,
    )


def test_a_late_event_is_known_from_when_its_entity_was_last_scored():
    world = OnlineWorld(VIEW)
    served(world, event(1, 4))
    late = world.serve(event(2, 3))
    assert late.known_at == as_microseconds(EPOCH + 4 * HOUR)
    assert served(world, replace(event(3, 4)))["count_others_2h"] == 0
    assert (
        served(world, replace(event(4, 0), event_timestamp=EPOCH + 4 * HOUR + TICK))["count_others_2h"] == 3
    )


def test_a_label_is_not_seen_before_its_event_is_known():
    world = OnlineWorld(VIEW)
    late = event(1, 0, known_at=EPOCH + 2 * HOUR)
    world.load([late], [LabelVersion(1, EPOCH + TICK, 1)], as_of=EPOCH + 3 * HOUR)
    assert served(world, event(2, 1))["labels_5h"] == 0
    assert served(world, event(3, 3))["labels_5h"] == 1


@pytest.mark.parametrize(("ticks", "labels"), [(0, 0), (1, 1)])
def test_a_label_is_seen_only_after_it_became_known(ticks, labels):
    world = OnlineWorld(VIEW)
    world.load([FIRST], [LabelVersion(1, EPOCH + HOUR, 1)], as_of=EPOCH + 2 * HOUR)
    at = EPOCH + HOUR + ticks * TICK
    assert served(world, replace(event(2, 1), event_timestamp=at))["labels_5h"] == labels


@settings(max_examples=80, deadline=None)
@given(histories(), times)
def test_a_request_sees_what_the_definition_sees(history, at):
    events, labels = history
    world = OnlineWorld(VIEW, lateness=100 * HOUR)
    world.load(events, labels, as_of=EPOCH + 20 * HOUR)
    asked = EventVersion(500, at, at, "a", 7, 2.675)
    vector = dict(zip(world.features.names, world.serve(asked).features, strict=True))
    expected = window_features(VIEW, [*events, replace(asked, known_at=at)], labels)[500]
    assert {name: vector[name] for name in expected} == expected
