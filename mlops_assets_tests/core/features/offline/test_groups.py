"""All window features of one entity at once: each as if it were computed alone, for the events that are asked."""

from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.features.offline.groups import compute_entity
from mlops_assets.core.features.offline.rows import event_rows, label_rows
from mlops_assets.core.features.view import Stream
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames, histories, window

CUSTOMER = [feature for feature in VIEW.window_features if feature.entity == "customer"]


def streams(history: tuple[list, list]) -> dict[Stream, object]:
    event_frame, label_frame = frames(*history)
    rows = event_rows(VIEW, event_frame)
    return {"events": rows, "labels": label_rows(VIEW, label_frame, rows)}


@settings(max_examples=40, deadline=None)
@given(histories())
def test_features_that_share_work_have_the_values_that_each_has_alone(history):
    rows = streams(history)
    together = compute_entity(CUSTOMER, rows, None)
    for feature in CUSTOMER:
        alone = compute_entity([feature], rows, None)
        for name, values in alone.items():
            assert together[name].equals(values, null_equal=True, check_dtypes=True), name


@settings(max_examples=40, deadline=None)
@given(histories(), st.randoms())
def test_asked_events_have_the_values_that_they_have_among_all(history, random):
    rows = streams(history)
    whole = compute_entity(CUSTOMER, rows, None)
    height = rows["events"].frame.height
    asked = sorted(random.sample(range(height), height // 2))
    part = compute_entity(CUSTOMER, rows, np.array(asked, dtype=np.int64))
    assert all(part[name].equals(whole[name][asked], null_equal=True) for name in whole)


def test_without_its_entity_an_event_has_null_and_every_feature_its_declared_type():
    rows = streams(([event(1, 0, customer=None), event(2, 1)], []))
    found = compute_entity(CUSTOMER, rows, None)
    assert {name: values[0] for name, values in found.items() if values[0] is not None} == {}
    assert {name: values.dtype for name, values in found.items()} == {
        feature.feature_name(one): feature.dtype for feature in CUSTOMER for one in feature.windows
    }


def test_a_window_is_as_long_as_it_says_to_the_microsecond():
    feature = window("count", "customer", "count", windows=(HOUR,), includes_current=False)
    at = [EPOCH, EPOCH + timedelta(microseconds=1), EPOCH + HOUR]
    events = [event(n, 0, known_at=EPOCH - HOUR) for n in range(3)]
    moved, labels = frames(events, [])
    moved = moved.with_columns(event_timestamp=pl.Series(at, dtype=moved.schema["event_timestamp"]))
    rows = event_rows(VIEW, moved)
    found = compute_entity([feature], {"events": rows}, None)["count_1h"]
    assert found.to_list() == [0, 1, 1]
    assert labels.is_empty()
