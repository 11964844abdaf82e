"""Labels: which ones the platform takes, which it takes once, and which it refuses."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.errors import ContractError
from mlops_assets.core.labels.contract import check_labels
from mlops_assets.products.fraud_detection.schemas import EventSchema

NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)
SCHEMA = {
    "transaction_id": pl.Int64,
    "event_timestamp": pl.Datetime("us", "UTC"),
    "known_at": pl.Datetime("us", "UTC"),
    "is_fraud": pl.Int64,
}


def labels(*rows: tuple[int | None, int, int]) -> pl.DataFrame:
    """Labels from (id, days until known, outcome)."""
    data = [(id_, NOON, NOON + timedelta(days=days), outcome) for id_, days, outcome in rows]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")


def check(frame: pl.DataFrame, *, has_times: bool = True) -> pl.DataFrame:
    return check_labels(
        frame if has_times else frame.drop("event_timestamp", "known_at"),
        id_column="transaction_id",
        label="is_fraud",
        has_times=has_times,
        events=EventSchema,
        subject="shop/labels",
    )


def test_labels_keep_their_order_and_the_outcome_becomes_small():
    given = labels((3, 7, 0), (1, 7, 1), (2, 8, 0))
    checked = check(given)
    assert checked.schema["is_fraud"] == pl.Int8
    assert checked.cast({"is_fraud": pl.Int64}).equals(given)


def test_a_row_that_comes_twice_is_taken_once_and_a_correction_is_a_row_of_its_own():
    checked = check(labels((3, 7, 0), (1, 7, 1), (3, 7, 0), (1, 9, 0)))
    assert checked.select("transaction_id", "is_fraud").rows() == [(3, 0), (1, 1), (1, 0)]


@pytest.mark.parametrize("has_times", [True, False])
def test_two_outcomes_of_one_id_at_once_are_refused(has_times: bool):
    with pytest.raises(ContractError, match=r"have two outcomes in 2 of 3 rows"):
        check(labels((1, 7, 0), (2, 7, 0), (1, 7, 1)), has_times=has_times)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ((None, 7, 1), "transaction_id is null in 1 of 2 rows"),
        ((1, 7, 2), "is_fraud is neither 0 nor 1 in 1 of 2 rows"),
        ((1, -1, 1), "known_at lies before event_timestamp in 1 of 2 rows"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(broken: tuple[int | None, int, int], problem: str):
    with pytest.raises(ContractError, match=problem):
        check(labels((5, 7, 0), broken))


@pytest.mark.parametrize("values", [[0.0, 1.0], [False, True], [0, 1]], ids=str)
def test_whole_outcomes_of_any_type_are_taken(values: list[float]):
    given = labels((3, 7, 0), (1, 7, 1)).with_columns(is_fraud=pl.Series(values))
    assert check(given)["is_fraud"].to_list() == [0, 1]


def test_a_fractional_outcome_is_refused_with_an_example_and_not_cut():
    given = labels((3, 7, 0), (1, 7, 1)).with_columns(is_fraud=pl.Series([0.0, 0.9]))
    with pytest.raises(
        ContractError, match=r"is_fraud is neither 0 nor 1 in 1 of 2 rows, for example .*0\.9"
    ):
        check(given)
