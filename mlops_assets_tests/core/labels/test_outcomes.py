"""Outcomes: what was known when, against a brute-force oracle."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.labels.outcomes import (
    join_daily_outcomes,
    join_outcomes,
    newest_labels,
    newest_outcomes,
)

START = datetime(2018, 4, 1, tzinfo=UTC)
LABEL_SCHEMA = {"transaction_id": pl.Int64, "is_fraud": pl.Int8, "known_at": pl.Datetime("us", "UTC")}

versions = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 8)),
    max_size=25,
    unique_by=lambda version: (version[0], version[2]),
)


def _labels(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    data = [(key, value, START + timedelta(hours=hour)) for key, value, hour in rows]
    return pl.DataFrame(data, schema=LABEL_SCHEMA, orient="row")


def _predictions(ids: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prediction_id": [f"p{i:02}" for i in range(len(ids))],
            "transaction_id": ids,
            "score": [0.1 * i for i in ids],
        },
        schema={"prediction_id": pl.String, "transaction_id": pl.Int64, "score": pl.Float64},
    )


def _join(predictions: pl.DataFrame, labels: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    return join_outcomes(predictions, labels, id_column="transaction_id", label="is_fraud", as_of=as_of)


def _join_days(predictions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return join_daily_outcomes(predictions, labels, id_column="transaction_id", label="is_fraud")


def _oracle(ids: list[int], rows: list[tuple[int, int, int]], hour: int) -> list[tuple[str, int, int]]:
    expected = []
    for position, key in enumerate(ids):
        known = sorted((at, value) for k, value, at in rows if k == key and at <= hour)
        if known:
            expected.append((f"p{position:02}", known[-1][1], known[-1][0]))
    return expected


@given(ids=st.lists(st.integers(0, 6), max_size=10), rows=versions, hour=st.integers(-1, 9))
def test_each_prediction_gets_the_newest_label_known_at_as_of(
    ids: list[int], rows: list[tuple[int, int, int]], hour: int
):
    joined = _join(_predictions(ids), _labels(rows), START + timedelta(hours=hour))
    found = [
        (row["prediction_id"], row["is_fraud"], int((row["known_at"] - START).total_seconds() // 3600))
        for row in joined.iter_rows(named=True)
    ]
    assert found == _oracle(ids, rows, hour)


@given(
    ids=st.lists(st.integers(0, 6), max_size=10),
    rows=versions,
    hour=st.integers(0, 8),
    seed=st.integers(0, 9),
)
def test_labels_known_later_and_their_order_never_change_the_past(
    ids: list[int], rows: list[tuple[int, int, int]], hour: int, seed: int
):
    as_of = START + timedelta(hours=hour)
    labels = _labels(rows)
    shuffled = labels.sample(fraction=1.0, shuffle=True, seed=seed)
    seen_then = _join(_predictions(ids), labels.filter(pl.col("known_at") <= as_of), as_of)
    assert _join(_predictions(ids), shuffled, as_of).equals(seen_then)


@given(ids=st.lists(st.integers(0, 6), max_size=10), rows=versions, hour=st.integers(0, 9))
def test_outcomes_stored_day_by_day_give_the_same_answer_as_one_join(
    ids: list[int], rows: list[tuple[int, int, int]], hour: int
):
    as_of = START + timedelta(hours=hour)
    labels = _labels(rows)
    parts = [
        _join(_predictions(ids), labels.filter(pl.col("known_at") == at), None)
        for at in labels["known_at"].unique()
    ]
    stored = pl.concat([*parts, _join(_predictions(ids), labels.clear(), None)])
    assert newest_outcomes(stored, as_of=as_of).equals(_join(_predictions(ids), labels, as_of))


@given(ids=st.lists(st.integers(0, 6), max_size=10), rows=versions, first=st.integers(0, 8))
def test_daily_outcomes_do_not_depend_on_how_many_days_are_joined_at_once(
    ids: list[int], rows: list[tuple[int, int, int]], first: int
):
    labels = _labels([(key, value, hour * 7) for key, value, hour in rows])
    boundary = (START + timedelta(hours=7 * first)).date()
    whole = _join_days(_predictions(ids), labels)
    before = _join_days(_predictions(ids), labels.filter(pl.col("known_at").dt.date() < boundary))
    after = _join_days(_predictions(ids), labels.filter(pl.col("known_at").dt.date() >= boundary))
    assert pl.concat([before, after]).sort("prediction_id", "known_date").equals(whole)


@given(ids=st.lists(st.integers(0, 6), max_size=10), rows=versions, day=st.integers(0, 3))
def test_the_outcomes_of_a_days_end_can_be_told_from_the_daily_ones(
    ids: list[int], rows: list[tuple[int, int, int]], day: int
):
    labels = _labels([(key, value, hour * 7) for key, value, hour in rows])
    as_of = START + timedelta(days=day, microseconds=-1)
    stored = _join_days(_predictions(ids), labels)
    assert newest_outcomes(stored, as_of=as_of).equals(_join(_predictions(ids), labels, as_of))


def test_the_known_date_is_the_utc_day_on_which_the_label_became_known():
    labels = pl.DataFrame(
        [(1, 1, datetime(2018, 4, 8, 23, 59, 59, tzinfo=UTC))], schema=LABEL_SCHEMA, orient="row"
    )
    joined = _join(_predictions([1]), labels, None)
    assert joined["known_date"].to_list() == [date(2018, 4, 8)]


def test_a_cohort_joins_its_labels_without_times():
    labels = pl.DataFrame({"transaction_id": [1, 2], "is_fraud": [0, 1]})
    joined = _join(_predictions([2, 3]), labels, None)
    assert joined.columns == ["prediction_id", "transaction_id", "score", "is_fraud"]
    assert joined["is_fraud"].to_list() == [1]


def test_a_label_repeated_exactly_counts_once():
    rows = _labels([(1, 1, 3)])
    assert _join(_predictions([1]), pl.concat([rows, rows]), None).height == 1


@pytest.mark.parametrize(
    ("predictions", "labels", "as_of", "message"),
    [
        (_predictions([1]), _labels([(1, 0, 3), (1, 1, 3)]), None, "disagree about is_fraud"),
        (
            _predictions([1]),
            _labels([(1, 0, 3)]).with_columns(is_fraud=pl.lit(None, pl.Int8)),
            None,
            "have a null",
        ),
        (_predictions([1]), _labels([(1, 0, 3)]).drop("is_fraud"), None, "labels have no column is_fraud"),
        (_predictions([1]), _labels([(1, 0, 3)]).drop("known_at"), START, "pass as_of=None"),
        (_predictions([1]), _labels([(1, 0, 3)]), datetime(2018, 4, 1), "must be a time in UTC"),  # noqa: DTZ001
        (
            _predictions([1]).with_columns(is_fraud=1),
            _labels([(1, 0, 3)]),
            None,
            "already have the outcome column",
        ),
        (
            pl.concat([_predictions([1]), _predictions([2])]),
            _labels([(1, 0, 3)]),
            None,
            "share a prediction_id",
        ),
        (_predictions([1]).drop("prediction_id"), _labels([(1, 0, 3)]), None, "predictions have no column"),
    ],
)
def test_wrong_input_is_named(
    predictions: pl.DataFrame, labels: pl.DataFrame, as_of: datetime | None, message: str
):
    with pytest.raises(MonitoringError, match=message):
        _join(predictions, labels, as_of)


def test_no_label_known_yet_gives_no_row_but_all_columns():
    joined = _join(_predictions([1]), _labels([(1, 1, 3)]), START)
    assert joined.height == 0
    assert {"is_fraud", "known_at", "known_date"} <= set(joined.columns)
    assert newest_labels(_labels([]), id_column="transaction_id", label="is_fraud", as_of=None).height == 0
