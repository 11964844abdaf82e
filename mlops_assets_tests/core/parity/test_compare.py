"""Parity finds every served value that the offline executor would not have given, and names the skew behind it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets.core.parity.replay import IS_CAPTURED
from mlops_assets_tests.support.served_requests import VIEW, AddingModel, ServedRequests

COUNT = "customer_transaction_count_7d"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def requests() -> ServedRequests:
    return ServedRequests()


def longer(view: FeatureView, by: timedelta) -> FeatureView:
    """The view with longer windows under the same names."""

    class Longer(WindowFeature):
        def feature_name(self, window: timedelta) -> str:
            return super().feature_name(window - by)

    def change(feature: WindowFeature) -> WindowFeature:
        fields = {name: getattr(feature, name) for name in feature.__dataclass_fields__}
        return Longer(**{**fields, "windows": tuple(window + by for window in feature.windows)})

    return replace(
        view, features=tuple(change(f) if isinstance(f, WindowFeature) else f for f in view.features)
    )


def leading_diagnosis(requests: ServedRequests, vectors: np.ndarray) -> str:
    """The diagnosis of the feature that differs most often."""
    report = requests.report(vectors)
    assert not report.is_equal
    worst = report.rows.filter(pl.col("kind") == "feature").sort("different", descending=True)
    return str(worst["diagnosis"][0])


def test_vectors_of_a_correct_service_are_equal_and_all_are_counted(requests: ServedRequests) -> None:
    report = requests.report(requests.served())
    assert report.is_equal
    assert report.vectors == requests.requests.height
    assert report.rows["different"].sum() == 0
    assert report.rows["diagnosis"].null_count() == report.rows.height
    counted = report.rows.group_by("feature").agg(pl.col("compared").sum())
    assert set(counted["feature"]) == {*VIEW.feature_names, "score"}
    assert counted["compared"].unique().to_list() == [report.vectors]
    assert "bit for bit" in report.summary


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (COUNT, lambda value: np.nextafter(value, np.inf)),
        ("terminal_fraud_share_1d", lambda value: -value),
        (COUNT, lambda value: value * np.nan),
    ],
    ids=["last bit", "sign of zero", "null"],
)
def test_one_bit_of_one_value_is_found_with_its_day_and_example(
    requests: ServedRequests, name: str, change: Callable[[float], float]
) -> None:
    vectors, column = requests.served(), VIEW.feature_names.index(name)
    row = int(np.flatnonzero(vectors[:, column] == vectors[:, column].min())[0])
    vectors[row, column] = served = change(vectors[row, column])
    report = requests.report(vectors)
    assert report.different == 1
    (found,) = report.rows.filter(pl.col("different") > 0).iter_rows(named=True)
    event = requests.requests.row(row, named=True)
    assert (found["feature"], found["different"]) == (name, 1)
    assert (found["example_id"], found["event_date"]) == (
        str(event["transaction_id"]),
        event["event_timestamp"].date(),
    )
    assert found["served"] == ("null" if np.isnan(served) else repr(float(served)))
    assert found["diagnosis"].startswith("unexplained")


def test_a_score_that_its_model_does_not_give_is_found_though_the_vector_is_right(
    requests: ServedRequests,
) -> None:
    vectors = requests.served()
    scores = AddingModel().predict_matrix(vectors)
    report = requests.report(vectors, np.nextafter(scores, 1.0))
    (found,) = report.rows.filter(pl.col("different") > 0)["feature"].unique()
    assert found == "score"
    assert report.different == report.vectors
    rounded = requests.report(vectors, scores.astype(np.float32).astype(np.float64))
    assert rounded.rows.filter(pl.col("kind") == "score")["diagnosis"][0].startswith("float32 cast")


def test_a_vector_of_another_length_is_refused(requests: ServedRequests) -> None:
    captured = requests.captured(requests.served()).with_columns(pl.col("features").list.head(3))
    from mlops_assets.core.parity.compare import compare

    with pytest.raises(MonitoringError, match="do not have the 15 features"):
        compare(captured, requests.replay, {1: AddingModel()})  # pyright: ignore[reportArgumentType]


def test_a_float32_cast_is_named(requests: ServedRequests) -> None:
    vectors = requests.served().astype(np.float32).astype(np.float64)
    assert leading_diagnosis(requests, vectors).startswith("float32 cast")


@pytest.mark.parametrize("hours", [-5, 2])
def test_a_time_zone_is_named_with_its_hours(requests: ServedRequests, hours: int) -> None:
    events = requests.replay.events
    moved = events.with_columns(
        pl.when(IS_CAPTURED).then(pl.col("event_timestamp") + hours * HOUR).otherwise("event_timestamp")
        .alias("event_timestamp")
    )  # fmt: skip
    diagnosis = leading_diagnosis(requests, requests.seen_with(events=moved))
    assert diagnosis.startswith(
        f"time zone: the event time of all captured events was shifted by {hours:+d} h"
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (timedelta(microseconds=1), "every window is 1 µs longer (its far end is closed)"),
        (timedelta(days=1), "every window is 1 day longer"),
    ],
)
def test_an_off_by_one_window_is_named(requests: ServedRequests, step: timedelta, words: str) -> None:
    diagnosis = leading_diagnosis(requests, requests.seen_with(view=longer(VIEW, step)))
    assert diagnosis.startswith(f"off-by-one window: {words}")


def test_labels_that_came_a_day_late_are_named(requests: ServedRequests) -> None:
    late = ServedRequests(labels_known=lambda at: (at + timedelta(days=1)).dt.truncate("1d"))
    assert leading_diagnosis(requests, late.served()).startswith("stale label: request ")


def test_events_that_never_reached_the_state_are_named_by_their_ids(requests: ServedRequests) -> None:
    lost = requests.requests["transaction_id"].head(400).sample(2, seed=1)
    is_lost = pl.col("transaction_id").is_in(lost.implode())
    without = requests.replay.events.filter(~is_lost)
    kept = requests.requests.filter(~is_lost)["transaction_id"]
    vectors = requests.served()
    place = requests.requests["transaction_id"].is_in(lost.implode()).not_().arg_true().to_numpy()
    vectors[place] = requests.served(replace(requests.replay, events=without), kept)
    diagnosis = leading_diagnosis(requests, vectors)
    assert diagnosis.startswith("lost event: the state did not hold ")
    assert any(str(event) in diagnosis for event in lost)
