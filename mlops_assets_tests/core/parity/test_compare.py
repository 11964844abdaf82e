"""Parity finds every served value that the offline executor would not have given, and names the skew behind it."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.parity.compare import compare_with_training
from mlops_assets_tests.support.parity.served_requests import VIEW, AddingModel, ServedRequests

COUNT = "customer_transaction_count_7d"


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


def test_served_vectors_are_compared_with_those_that_training_reads(requests: ServedRequests) -> None:
    captured = requests.captured(requests.served())
    late = requests.replay.events.with_columns(pl.col("known_at") + timedelta(hours=3))
    stored = pl.DataFrame(requests.seen_with(events=late), schema=list(VIEW.feature_names)).fill_nan(None)
    vectors = stored.with_columns(captured["transaction_id"])[:-1]

    def beside(training: pl.DataFrame) -> pl.DataFrame:
        models: dict = {1: AddingModel()}
        return compare_with_training(
            captured, training, models, id_column="transaction_id", view_digest="v", cause="delay"
        )

    rows = beside(vectors)
    assert rows["kind"].unique().to_list() == ["training"]
    assert rows.filter(feature=COUNT)["compared"].sum() == captured.height - 1
    wrong = rows.filter(pl.col("different") > 0)
    assert COUNT in wrong["feature"].to_list()
    assert wrong["diagnosis"].unique().to_list() == ["delay"]
    right = pl.DataFrame(requests.served(), schema=list(VIEW.feature_names)).fill_nan(None)
    assert beside(right.with_columns(captured["transaction_id"]))["different"].sum() == 0
    assert beside(vectors.clear()).is_empty()
