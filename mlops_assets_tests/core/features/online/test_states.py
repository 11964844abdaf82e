"""States made of history: found by services, and joined with what was served since."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_assets.core.errors import InvalidEventError, KnownEventError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.online_world import FIRST, VALID, OnlineWorld, served
from mlops_assets_tests.support.features.window_oracle import LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, TICK, VIEW, event


def test_a_loaded_event_is_known_too_and_answered_as_of_its_own_time():
    world = OnlineWorld(VIEW)
    world.load([FIRST, event(2, 1)], [], as_of=EPOCH + 2 * HOUR)
    answer = world.serve(FIRST)
    assert (answer.states, answer.known_at) == (None, as_microseconds(EPOCH))
    with pytest.raises(KnownEventError):
        world.serve(replace(FIRST, amount=4.0))


def test_loading_again_adds_labels_and_rows_and_keeps_what_was_served():
    world = OnlineWorld(VIEW)
    world.load([FIRST], [], as_of=EPOCH + HOUR)
    served(world, event(2, 1))
    lake = [FIRST, event(3, 1.5), event(2, 1, known_at=EPOCH + 3 * HOUR)]
    labels = [LabelVersion(1, EPOCH + 2 * HOUR, 1), LabelVersion(2, EPOCH + 3 * HOUR, 0)]
    world.load(lake, labels, as_of=EPOCH + 4 * HOUR)
    features = served(world, replace(event(4, 4), event_timestamp=EPOCH + 4 * HOUR + timedelta(minutes=1)))
    assert (features["count_5h"], features["labels_5h"], features["frauds_5h"]) == (4, 2, 1)
    assert world.serve(event(2, 1)).states is None


@pytest.mark.parametrize("entity", [5, -5, 0, 2**63 - 1, 2**63, 5.0, -0.0, True, "a", "ß"])
def test_states_are_found_under_the_key_that_the_loader_gave_them(entity):
    layout = entity_layouts(VIEW)[0]
    assert OnlineFeatures(VIEW).keys(VALID | {layout.entity: entity})[0] == layout.key(entity)


@pytest.mark.parametrize(("ticks", "is_refused"), [(-1, True), (0, False)])
def test_an_entity_that_a_load_left_out_is_complete_from_that_loads_horizon_on_and_not_from_its_own(
    ticks, is_refused
):
    world = OnlineWorld(VIEW, lateness=timedelta(0))
    world.load([FIRST], [], as_of=EPOCH + HOUR)
    labels = [LabelVersion(1, EPOCH + 2 * HOUR, 1)]
    world.load([FIRST], labels, as_of=EPOCH + 9 * HOUR)
    asked = replace(event(2, 9, terminal=None), event_timestamp=EPOCH + 9 * HOUR + ticks * TICK)
    if is_refused:
        with pytest.raises(InvalidEventError, match="lies before"):
            world.serve(asked)
    else:
        assert served(world, asked)["last_label_5h"] is None
