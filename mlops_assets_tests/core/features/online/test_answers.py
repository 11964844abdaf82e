"""What the online executor answers to single events: bad ones, repeated ones, old ones, new entities, cohorts."""

import struct
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError, InvalidEventError, KnownEventError, OnlineStoreError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online import entity_state
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.features.online.states import build_states, merge_state
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.times import as_microseconds
from mlops_assets.products.fraud_detection.features import VIEW as FRAUD_VIEW
from mlops_assets.products.mortality_risk.features import VIEW as MORTALITY_VIEW
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, TICK, VIEW, event, frames

FIRST = event(1, 0, amount=3.0)


def served(world: OnlineWorld, *events: EventVersion) -> dict[str, float | None]:
    """The features of the last of the events, served one after the other."""
    answers = [world.serve(each) for each in events]
    return dict(zip(world.features.names, answers[-1].features, strict=True))


def test_a_new_entity_has_empty_windows():
    features = served(OnlineWorld(VIEW), FIRST)
    assert (features["count_2h"], features["count_others_2h"], features["sum_others_2h"]) == (1, 0, 0)
    assert (features["max_others_2h"], features["fraud_share_2h"], features["last_others_2h"]) == (
        None,
        0,
        -1,
    )


def test_an_event_updates_the_state_once_however_often_it_is_sent():
    world = OnlineWorld(VIEW)
    first = world.serve(FIRST)
    served(world, event(2, 1))
    states = dict(world.states)
    again = world.serve(replace(FIRST, known_at=EPOCH + 5 * HOUR))
    assert (again.states, again.known_at) == (None, first.known_at)
    assert bits(again.features) == bits(first.features)
    assert world.states == states
    assert served(world, event(3, 1.5))["count_2h"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 4.0},
        {"amount": None},
        {"customer": "b"},
        {"terminal": 8},
        {"terminal": None},
        {"event_timestamp": EPOCH + HOUR},
    ],
)
def test_another_event_under_a_known_id_is_refused(change):
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    with pytest.raises(KnownEventError, match="id 1 is known") as error:
        world.serve(replace(FIRST, **change))
    assert error.value.field == "id"


def test_a_loaded_event_is_known_too_and_answered_as_of_its_own_time():
    world = OnlineWorld(VIEW)
    world.load([FIRST, event(2, 1)], [], as_of=EPOCH + 2 * HOUR)
    answer = world.serve(FIRST)
    assert (answer.states, answer.known_at) == (None, as_microseconds(EPOCH))
    with pytest.raises(KnownEventError):
        world.serve(replace(FIRST, amount=4.0))


def test_a_late_event_is_known_from_when_its_entity_was_last_scored():
    world = OnlineWorld(VIEW)
    served(world, event(1, 4))
    late = world.serve(event(2, 3))
    assert late.known_at == as_microseconds(EPOCH + 4 * HOUR)
    assert served(world, replace(event(3, 4)))["count_others_2h"] == 0
    assert (
        served(world, replace(event(4, 0), event_timestamp=EPOCH + 4 * HOUR + TICK))["count_others_2h"] == 3
    )


@pytest.mark.parametrize(("ticks", "is_refused"), [(0, False), (-1, True)])
@pytest.mark.parametrize("customer", ["a", "new"])
def test_an_event_older_than_the_state_is_refused_for_known_and_for_new_entities(ticks, is_refused, customer):
    world = OnlineWorld(VIEW, lateness=HOUR)
    world.load([event(1, 9)], [], as_of=EPOCH + 10 * HOUR)
    old = event(2, 9, customer=customer, terminal=None)
    old = replace(old, event_timestamp=old.event_timestamp + ticks * TICK)
    if is_refused:
        with pytest.raises(InvalidEventError, match="lies before") as error:
            world.serve(old)
        assert error.value.field == "event_timestamp"
    else:
        world.serve(old)


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


VALID = OnlineWorld(VIEW).request(FIRST)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "much"}, "amount"),
        ({"amount": float("inf")}, "amount"),
        ({"amount": 10**400}, "amount"),
        ({"amount": 1e300}, "amount"),
        ({"event_timestamp": None}, "event_timestamp"),
        ({"event_timestamp": 1.5}, "event_timestamp"),
        ({"event_timestamp": True}, "event_timestamp"),
        ({"event_timestamp": 2**62}, "event_timestamp"),
        ({"id": None}, "id"),
        ({"id": 1.0}, "id"),
        ({"id": 2**63}, "id"),
        ({"customer": "\ud800"}, "customer"),
        ({"customer": ["a"]}, "customer"),
        ({"terminal": 2**64}, "terminal"),
    ],
)
def test_a_bad_value_is_refused_by_its_field(change, field):
    features = OnlineFeatures(VIEW)
    with pytest.raises(InvalidEventError, match=field) as error:
        features.answer(VALID | change, [b""] * len(features.keys(VALID | change)), known_at=None)
    assert error.value.field == field


@pytest.mark.parametrize("column", [column for column in VIEW.input_columns if column != "known_at"])
def test_a_missing_column_is_refused_by_its_name(column):
    features = OnlineFeatures(VIEW)
    event = {name: value for name, value in VALID.items() if name != column}
    with pytest.raises(InvalidEventError, match=f"{column} is missing") as error:
        features.answer(event, [b"", b""], known_at=None)
    assert error.value.field == column


def test_an_id_of_another_type_than_before_is_refused():
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    world.is_text_id = True
    with pytest.raises(InvalidEventError, match="another type"):
        world.serve(event(2, 1))


def test_null_keys_have_null_features_and_no_state():
    world = OnlineWorld(VIEW)
    answer = world.serve(event(1, 0, customer=None, terminal=None))
    assert answer.states == ()
    assert dict(zip(world.features.names, answer.features, strict=True))["count_2h"] is None


def test_a_cohort_has_row_features_no_keys_and_no_state():
    features = OnlineFeatures(MORTALITY_VIEW)
    rows = {column: None for column in MORTALITY_VIEW.input_columns}
    patient = rows | {"patient_id": 5, "age_years": 61.5, "disease_group": "Coma", "cancer_status": "no"}
    answer = features.answer(patient, [], known_at=None)
    frame = pl.DataFrame([patient], schema_overrides={"disease_group": pl.String, "cancer_status": pl.String})
    expected = compute_features(MORTALITY_VIEW, frame, None).select(features.names).row(0)
    assert (features.keys(patient), answer.known_at, answer.states) == ((), None, ())
    assert bits(answer.features) == bits(expected)


def test_an_unknown_category_is_refused_by_its_field():
    features = OnlineFeatures(MORTALITY_VIEW)
    patient = {column: None for column in MORTALITY_VIEW.input_columns} | {"patient_id": 5}
    with pytest.raises(InvalidEventError, match="must be one of") as error:
        features.answer(patient | {"disease_group": "Gout"}, [], known_at=None)
    assert error.value.field == "disease_group"


def test_a_name_that_is_no_feature_and_a_feature_that_is_text_are_refused():
    with pytest.raises(FeatureError, match="has no feature nonsense"):
        OnlineFeatures(VIEW, ["nonsense"])
    text = FeatureView("view", "id", None, (RowFeature("kind", col("kind").fill_null("none"), ""),))
    with pytest.raises(FeatureError, match="is a text"):
        OnlineFeatures(text)


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


@pytest.mark.parametrize("damage", [lambda state: b"\x09" + state[1:], lambda s: s[:-8], lambda s: s[:3]])
def test_a_state_that_is_none_of_ours_is_an_error_of_the_store(damage):
    world = OnlineWorld(VIEW)
    served(world, FIRST)
    world.states = {key: damage(state) for key, state in world.states.items()}
    with pytest.raises(OnlineStoreError, match="load online_features again"):
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


def test_the_fraud_view_is_answered_whole():
    features = OnlineFeatures(FRAUD_VIEW)
    assert features.names == FRAUD_VIEW.feature_names
    at = as_microseconds(EPOCH)
    event = {
        "transaction_id": 1,
        "event_timestamp": at,
        "customer_id": 5,
        "terminal_id": 6,
        "amount_usd": 9.5,
    }
    answer = features.answer(event, [b"", b""], known_at=None)
    values = dict(zip(features.names, answer.features, strict=True))
    assert values["amount_usd"] == values["customer_mean_amount_30d"] == 9.5
    assert (values["terminal_fraud_share_7d"], values["amount_to_usual"]) == (0.0, None)


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


@pytest.mark.parametrize("entity", [5, -5, 0, 2**63 - 1, 2**63, 5.0, -0.0, True, "a", "ß"])
def test_states_are_found_under_the_key_that_the_loader_gave_them(entity):
    layout = entity_layouts(VIEW)[0]
    assert OnlineFeatures(VIEW).keys(VALID | {layout.entity: entity})[0] == layout.key(entity)
