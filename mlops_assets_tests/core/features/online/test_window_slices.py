"""Windows as slices of a state, and as rows that were picked one by one, against the definition."""

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.features.online import windows
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import (
    EPOCH,
    HOUR,
    LABEL,
    TICK,
    VIEW,
    amounts,
    event,
    window,
)

known_amounts = amounts.filter(lambda amount: amount is not None)


def vector(world: OnlineWorld, asked: EventVersion) -> dict[str, float | None]:
    """The features of an event by name."""
    return dict(zip(world.features.names, world.serve(asked).features, strict=True))


@st.composite
def plain_histories(draw: st.DrawFn) -> tuple[list[EventVersion], list[LabelVersion]]:
    """Events that were known at once, one version each, with at most one label each."""
    events, labels = [], []
    for number in range(draw(st.integers(0, 14))):
        at = EPOCH + draw(st.integers(0, 8)) * HOUR + draw(st.sampled_from([0, 0, -1, 1])) * TICK
        customer, terminal = draw(st.sampled_from(["a", "a", "b"])), draw(st.sampled_from([7, 10**12]))
        events.append(EventVersion(number, at, at, customer, terminal, draw(known_amounts)))
        if draw(st.booleans()):
            labels.append(LabelVersion(number, at + TICK, draw(st.sampled_from([0, 1]))))
    return events, labels


@settings(max_examples=150, deadline=None)
@given(
    history=plain_histories(),
    hours=st.integers(5, 14),
    ticks=st.sampled_from([0, -1, 1]),
    amount=amounts,
    names=st.none() | st.lists(st.sampled_from(VIEW.feature_names), min_size=1, unique=True),
)
def test_slices_give_what_picked_rows_give_and_what_the_offline_executor_gives(
    history, hours, ticks, amount, names
):
    events, labels = history
    at = EPOCH + hours * HOUR + ticks * TICK
    events = [each for each in events if each.event_timestamp < at]
    known = {each.id for each in events}
    labels = [label for label in labels if label.id in known and label.known_at < at]
    asked = EventVersion(100, at, at, "a", 7, amount)
    world = OnlineWorld(VIEW, names)
    world.load(events, labels, as_of=at)
    with patch.object(windows.Span, "look_at", side_effect=AssertionError("every row is seen")):
        sliced = world.answer(asked).features
    with (
        patch.object(windows, "_sees_state", return_value=False),
        patch.object(windows, "_sees_windows", return_value=False),
    ):
        picked = world.answer(asked).features
    world.serve(asked)
    assert bits(sliced) == bits(picked) == bits(world.offline(events, labels)[100])


def test_different_values_of_labels_are_counted_in_their_own_window():
    different = WindowFeature(
        "outcomes_{window}",
        "labels",
        "terminal",
        "distinct",
        (2 * HOUR,),
        "",
        "is_fraud",
        includes_current=False,
    )
    world = OnlineWorld(FeatureView("view", "id", "event_timestamp", (*VIEW.features, different)))
    events = [event(number, number) for number in range(4)]
    labels = [LabelVersion(number, EPOCH + number * HOUR + TICK, number % 2) for number in range(4)]
    world.load(events, labels, as_of=EPOCH + 4 * HOUR)
    early = replace(event(10, 0), event_timestamp=EPOCH + 2 * HOUR + 2 * TICK)
    assert vector(world, event(11, 4))["outcomes_2h"] == 1.0
    assert vector(world, early)["outcomes_2h"] == 2.0


@pytest.mark.parametrize(("hours", "is_slice"), [(2.9, True), (3.1, False)])
def test_a_label_that_is_not_known_yet_matters_only_within_a_window(hours, is_slice):
    delayed = window("fraud_share", "terminal", "mean", "is_fraud", delay=3 * HOUR, when_empty=0.0, **LABEL)
    world = OnlineWorld(FeatureView("view", "id", "event_timestamp", (delayed,)))
    labels = [LabelVersion(1, EPOCH + HOUR, 1), LabelVersion(2, EPOCH + 9 * HOUR, 0)]
    world.load([event(1, 0), event(2, 1)], labels, as_of=EPOCH + 10 * HOUR)
    asked = event(3, 1 + hours)
    look_at = windows.Span.look_at
    with patch.object(windows.Span, "look_at", autospec=True, side_effect=look_at) as picked:
        assert vector(world, asked)["fraud_share_5h"] == 1.0
    assert picked.called != is_slice


def test_missing_values_and_rows_that_are_not_known_yet_are_left_out():
    world = OnlineWorld(VIEW)
    world.serve(event(1, 0, amount=3.0))
    world.serve(event(2, 1, amount=None))
    values = vector(world, event(3, 1.5, amount=1.0))
    assert (values["count_2h"], values["count_amounts_2h"], values["sum_2h"]) == (3, 2, 4.0)
    late = replace(event(4, 1.6, amount=9.0), known_at=EPOCH + 5 * HOUR)
    world = OnlineWorld(VIEW)
    world.serve(late)
    values = vector(world, event(5, 2, amount=1.0))
    assert (values["count_2h"], values["max_others_2h"]) == (1, None)
