"""The online executor against the offline one: whatever was served is derived again later, to the last bit."""

from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import InvalidEventError
from mlops_assets.core.features.online import entity_state
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits
from mlops_assets_tests.support.features.streams import streams
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import (
    EPOCH,
    HOUR,
    TICK,
    VIEW,
    amounts,
    customers,
    histories,
    lateness,
    terminals,
    times,
)


def serve_all(world: OnlineWorld, events: list[EventVersion]) -> None:
    """Serve what is not too old; a repeat must be answered as before and change nothing."""
    for event in events:
        try:
            answer = world.serve(event)
        except InvalidEventError as error:
            assert error.field == "event_timestamp"
            continue
        if answer.states is None:
            assert bits(answer.features) == bits(world.vectors[event.id])


def newest_asked(world: OnlineWorld) -> datetime:
    return max((event.event_timestamp for event in world.served.values()), default=EPOCH - 100 * HOUR)


@st.composite
def later_facts(
    draw: st.DrawFn, world: OnlineWorld, *, since: datetime, until: datetime
) -> tuple[list[EventVersion], list[EventVersion], list[LabelVersion]]:
    """What the lakehouse has of served events by `until`: copies of them, corrections and labels known from `since`."""
    copies, corrections, labels = [], [], []
    for event in world.served.values():
        copy = replace(event, known_at=event.event_timestamp + draw(lateness))
        if copy.known_at < until and draw(st.booleans()):
            copies.append(copy)
            if draw(st.booleans()):
                known = max(since, copy.known_at, event.known_at) + draw(st.sampled_from([TICK, HOUR]))
                changed = {"customer": draw(customers), "terminal": draw(terminals), "amount": draw(amounts)}
                corrections.append(replace(event, known_at=known, **changed))
            known = since
            for _ in range(draw(st.integers(0, 2))):
                labels.append(LabelVersion(event.id, known, draw(st.sampled_from([0, 1, None]))))
                known += draw(st.sampled_from([TICK, HOUR]))
    return copies, corrections, labels


names = st.none() | st.lists(st.sampled_from(VIEW.feature_names), min_size=1, unique=True)


@settings(max_examples=120, deadline=None)
@given(
    history=histories(),
    first=streams(),
    names=names,
    is_text_id=st.booleans(),
    lateness=st.sampled_from([timedelta(0), 3 * HOUR, 100 * HOUR]),
    as_of=times,
    room=st.integers(0, 8),
    data=st.data(),
)
def test_served_vectors_are_derived_again_offline_to_the_last_bit(
    history, first, names, is_text_id, lateness, as_of, room, data
):
    with patch.object(entity_state, "ROOM_ROWS", room):
        check_stream(history, first, OnlineWorld(VIEW, names, lateness, is_text_id), as_of, data)


def check_stream(history, first, world, as_of, data):
    events, labels = history
    lake_events = [event for event in events if event.known_at < as_of]
    lake_labels = [label for label in labels if label.known_at < as_of]
    world.load(lake_events, lake_labels, as_of=as_of)
    serve_all(world, first)

    since = max(as_of, newest_asked(world))
    reload_at = since + data.draw(st.sampled_from([TICK, 2 * HOUR, 5 * HOUR]))
    copies, corrections, later_labels = data.draw(later_facts(world, since=since, until=reload_at))
    later_events = [event for event in events if since <= event.known_at < reload_at] + corrections
    later_labels += [label for label in labels if since <= label.known_at < reload_at]
    later_events = [event for event in later_events if event.known_at < reload_at]
    later_labels = [label for label in later_labels if label.known_at < reload_at]
    world.load(lake_events + copies + later_events, lake_labels + later_labels, as_of=reload_at)
    second = data.draw(streams())
    serve_all(world, [replace(event, id=event.id + 100) for event in second] + first)

    expected = world.offline(lake_events + later_events, lake_labels + later_labels)
    for event_id, vector in world.vectors.items():
        derived = expected[event_id]
        assert dict(zip(world.features.names, bits(vector), strict=True)) == dict(
            zip(world.features.names, bits(derived), strict=True)
        )
