"""The offline executor against the definition, on histories with ties, late rows, corrections and missing values."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.offline import entity_blocks
from mlops_assets.core.features.offline import windows as feature_windows
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion, window_features
from mlops_assets_tests.support.features.world import (
    EPOCH,
    HOUR,
    TICK,
    TIME,
    VIEW,
    event,
    frames,
    histories,
    times,
)


@settings(max_examples=300, deadline=None)
@given(histories())
def test_every_window_feature_equals_its_definition_to_the_last_bit(history):
    events, labels = history
    computed = compute_features(VIEW, *frames(events, labels))
    expected = window_features(VIEW, events, labels)
    assert computed["id"].to_list() == [
        id for _, id in sorted({(event.event_timestamp, event.id) for event in events})
    ]
    for row in computed.to_dicts():
        assert {name: row[name] for name in expected[row["id"]]} == expected[row["id"]]


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(1, 3), st.integers(1, 5))
def test_blocks_of_entities_and_pieces_of_pairs_change_nothing(history, block_rows, pairs):
    whole = compute_features(VIEW, *frames(*history))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_blocks, "BLOCK_ROWS", block_rows)
        patch.setattr(feature_windows, "PAIRS", pairs)
        assert compute_features(VIEW, *frames(*history)).equals(whole)


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(2, 8))
def test_history_computed_block_by_block_equals_the_whole(history, hours):
    events, labels = frames(*history)
    whole = compute_features(VIEW, events, labels)
    start, end = EPOCH - HOUR, EPOCH + 13 * HOUR
    parts = []
    while start < end:
        stop = min(start + hours * HOUR, end)
        at = pl.col("event_timestamp")
        near = events.filter(at >= start - VIEW.lookback, at < stop)
        parts.append(compute_features(VIEW, near, labels, start=start, end=stop))
        start = stop
    assert pl.concat(parts).equals(whole)


@settings(max_examples=150, deadline=None)
@given(histories(), times)
def test_rows_of_the_future_never_change_a_past_feature(history, moment):
    events, labels = history
    first_known = {
        event.id: event.known_at for event in sorted(events, key=lambda e: e.known_at, reverse=True)
    }
    past_events = [
        e
        for e in events
        if e.known_at < moment or (e.event_timestamp <= moment and e.known_at == first_known[e.id])
    ]
    past_labels = [label for label in labels if label.known_at < moment]
    before = compute_features(VIEW, *frames(past_events, past_labels))
    after = compute_features(VIEW, *frames(events, labels))
    is_past = pl.col("event_timestamp") <= moment
    assert before.filter(is_past).equals(after.filter(is_past))


def feature_of(number: int, name: str, events: list[EventVersion], labels: list[LabelVersion] | None = None):
    computed = compute_features(VIEW, *frames(events, labels or []))
    return computed.filter(pl.col("id") == number)[name].item()


@pytest.mark.parametrize(("ticks", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_a_row_exactly_a_window_ago_is_not_seen(ticks, count):
    old = event(1, 0)
    old = replace(old, event_timestamp=EPOCH + ticks * TICK)
    assert feature_of(2, "count_others_2h", [old, event(2, 2)]) == count


@pytest.mark.parametrize(("ticks", "count"), [(-1, 2), (0, 1), (1, 1)])
def test_a_row_exactly_a_delay_ago_is_not_seen(ticks, count):
    at = EPOCH + ticks * TICK
    old = replace(event(1, 0), event_timestamp=at, known_at=at)
    assert feature_of(2, "count_delayed_2h", [old, event(2, 3)]) == count


@pytest.mark.parametrize(("ticks", "frauds"), [(-1, 1.0), (0, None), (1, None)])
def test_a_label_is_seen_only_after_it_became_known(ticks, frauds):
    label = LabelVersion(1, EPOCH + HOUR + ticks * TICK, 1)
    assert feature_of(2, "frauds_2h", [event(1, 0), event(2, 1)], [label]) == frauds


@pytest.mark.parametrize("has_stray_label", [False, True])
def test_a_label_is_not_seen_before_its_event_is_known(has_stray_label):
    events = [event(1, 0, known_at=EPOCH + 2 * HOUR), event(2, 1), event(3, 3)]
    labels = [LabelVersion(number, EPOCH + TICK, 1) for number in (1, 2, 3)]
    if has_stray_label:
        labels.append(LabelVersion(0, EPOCH, 1))
    assert feature_of(2, "labels_5h", events, labels) == 0
    assert feature_of(3, "labels_5h", events, labels) == 2


def test_other_events_of_the_same_timestamp_are_not_seen():
    assert feature_of(2, "count_2h", [event(1, 0), event(2, 0), event(3, 0)]) == 1


def test_the_first_event_of_an_entity_sees_only_itself():
    events = [event(1, 0, amount=3.0), event(2, 0, customer="b", amount=9.0)]
    assert (feature_of(1, "sum_2h", events), feature_of(1, "sum_others_2h", events)) == (3.0, 0.0)


def test_a_correction_counts_from_when_it_became_known_and_never_for_its_own_event():
    old = event(1, 0, amount=1.0)
    correction = replace(old, known_at=EPOCH + HOUR, amount=50.0)
    events = [old, correction, event(2, 1), replace(event(3, 1), event_timestamp=EPOCH + HOUR + TICK)]
    assert feature_of(1, "amount", events) == 1.0
    assert feature_of(2, "sum_others_2h", events) == 1.0
    assert feature_of(3, "sum_others_2h", events) == 51.0


def test_sums_are_exact_where_floats_would_drift():
    events = [event(number, number / 100, amount=0.1) for number in range(11)]
    assert feature_of(10, "sum_2h", events) == 1.1


def test_a_null_entity_has_null_features_and_is_seen_by_none():
    events = [event(1, 0, customer=None), event(2, 1, customer=None)]
    assert feature_of(2, "count_2h", events) is None
    assert feature_of(2, "sum_others_2h", events) is None


def test_entities_and_times_too_many_for_one_key_are_cut_into_blocks():
    entities, span = 3000, timedelta(days=365 * 280)
    events = pl.DataFrame({"entity": [f"{n:04}" for n in range(entities)] * 2}).with_row_index("id")
    late = pl.lit(EPOCH) + pl.when(pl.col("id") >= entities).then(pl.lit(span)).otherwise(
        pl.lit(timedelta(0))
    )
    events = events.with_columns(late.cast(TIME).alias("event_timestamp")).with_columns(
        known_at="event_timestamp"
    )
    wide = WindowFeature("count_{window}", "events", "entity", "count", (2 * span,), "")
    view = FeatureView("wide", "id", "event_timestamp", (wide,))
    assert (
        compute_features(view, events, None)[view.feature_names[0]].to_list()
        == [1] * entities + [2] * entities
    )


def test_empty_frames_give_an_empty_frame_of_the_same_schema():
    empty = compute_features(VIEW, *frames([], []))
    full = compute_features(VIEW, *frames([event(1, 0)], []))
    assert empty.height == 0
    assert empty.schema == full.schema
    assert [full.schema[name] for name in VIEW.feature_names] == [
        VIEW.describe(n).dtype for n in VIEW.feature_names
    ]


def test_text_ids_work_and_order_the_result():
    events, labels = frames([event(10, 0), event(9, 0)], [LabelVersion(9, EPOCH, 1)])
    text = pl.col("id").cast(pl.String)
    computed = compute_features(VIEW, events.with_columns(text), labels.with_columns(text))
    assert computed["id"].to_list() == ["10", "9"]


def test_a_cohort_has_row_features_sorted_by_id():
    view = FeatureView("cohort", "id", None, (RowFeature("double", col("x") * 2, ""),))
    rows = pl.DataFrame({"id": [2, 1], "x": [5, None]})
    assert compute_features(view, rows, None).to_dicts() == [
        {"id": 1, "double": None},
        {"id": 2, "double": 10.0},
    ]


def test_only_events_in_the_asked_time_get_a_vector():
    events = frames([event(n, n) for n in range(4)], [])
    computed = compute_features(VIEW, *events, start=EPOCH + HOUR, end=EPOCH + 3 * HOUR)
    assert computed["id"].to_list() == [1, 2]
    assert computed["count_5h"].to_list() == [2, 3]


def edited(**columns: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    events, labels = frames([event(1, 0), event(2, 1)], [])
    return events.with_columns(**columns), labels


SAME_TIMES = {"id": pl.lit(1), "event_timestamp": pl.lit(EPOCH), "known_at": pl.lit(EPOCH)}


@pytest.mark.parametrize(
    ("events", "labels", "words"),
    [
        (*edited(event_timestamp=pl.lit(None, TIME)), "event_timestamp is null in 2 rows"),
        (*edited(event_timestamp=pl.col("event_timestamp").dt.replace_time_zone(None)), "cast it to"),
        (*edited(amount=pl.lit(float("inf"))), "amount is infinite in 2 rows"),
        (*edited(amount=pl.lit(1e17)), "int64"),
        (*edited(amount=pl.lit("1")), "not numeric"),
        (*edited(id=pl.lit(1)), "versions with different event_timestamp"),
        (*edited(**SAME_TIMES, amount=pl.Series([1.0, 2.0])), "differ at the same"),
        (edited()[0].drop("customer"), edited()[1], "lack customer"),
        (edited()[0], None, "no labels were given"),
        (edited()[0], edited()[1].cast({"id": pl.String}), "cast one"),
        (edited()[0], edited()[1].drop("is_fraud"), "labels lack is_fraud"),
    ],
)  # fmt: skip
def test_a_wrong_frame_is_refused_with_its_reason(events, labels, words):
    with pytest.raises(FeatureError, match=words):
        compute_features(VIEW, events, labels)


@pytest.mark.parametrize("ids", [[1, 1], [1, None]])
def test_a_cohort_with_repeated_or_missing_ids_is_refused(ids):
    view = FeatureView("cohort", "id", None, (RowFeature("x", col("x"), ""),))
    with pytest.raises(FeatureError, match="must be unique"):
        compute_features(view, pl.DataFrame({"id": ids, "x": [1, 2]}), None)


def test_a_bound_without_a_time_zone_is_refused():
    with pytest.raises(FeatureError, match="no time zone"):
        compute_features(VIEW, *edited(), start=EPOCH.replace(tzinfo=None))
