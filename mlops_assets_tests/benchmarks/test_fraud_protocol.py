"""The Handbook's protocol: which rows a fold has, and what its card metric counts."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from benchmarks.fraud_protocol import card_precision, fold, folds

START = datetime(2018, 7, 25, tzinfo=UTC)
DAY = timedelta(days=1)


def _rows(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """Rows of (day since START, customer, is_fraud), at noon."""
    times = [START + day * DAY + timedelta(hours=12) for day, _, _ in rows]
    return pl.DataFrame(
        {
            "event_timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "event_date": [time.date() for time in times],
            "customer_id": [customer for _, customer, _ in rows],
            "is_fraud": [fraud for _, _, fraud in rows],
        }
    )


def _scored(*rows: tuple[int, int, int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(date(2018, 8, day), customer, fraud, score) for day, customer, fraud, score in rows],
        schema=["event_date", "customer_id", "is_fraud", "score"],
        orient="row",
    )


def test_a_fold_trains_on_a_week_and_assesses_the_week_after_a_week_of_delay():
    rows = _rows(*((day, day, 0) for day in range(-2, 24)))
    cut = fold(rows, START)
    assert cut.train["customer_id"].to_list() == list(range(7))
    assert cut.assessed["customer_id"].to_list() == list(range(14, 21))


@pytest.mark.parametrize(
    ("fraud_day", "kept"),
    [
        (-1, [14, 15, 16, 17]),  # before the training week: the book does not look there
        (0, []),
        (6, []),
        (7, [14]),  # day 7 is known at the start of day 15, not of day 14
        (8, [14, 15]),
        (9, [14, 15, 16]),
        (14, [14, 15, 16, 17]),
    ],
)
def test_a_card_leaves_the_assessed_rows_once_its_fraud_was_known_at_the_start_of_the_day(fraud_day, kept):
    assessed = _rows((14, 1, 0), (15, 1, 0), (16, 1, 0), (17, 1, 0))
    cut = fold(pl.concat([_rows((fraud_day, 1, 1)), assessed]), START)
    days = sorted({(day - START.date()).days for day in cut.assessed["event_date"]})
    assert days == kept


def test_another_card_stays_when_one_leaves():
    cut = fold(_rows((3, 1, 1), (14, 1, 0), (14, 2, 0)), START)
    assert cut.assessed["customer_id"].to_list() == [2]


def test_no_row_of_a_test_week_is_in_a_validation_fold():
    rows = _rows(*((day, day, 0) for day in range(-60, 60)))
    validation, test = folds(rows)
    starts = [each.train_start for each in (*validation, *test)]
    assert starts == [START + k * 7 * DAY for k in (-5, -4, -3, -2, 0, 1, 2, 3)]
    seen = {c for each in validation for part in (each.train, each.assessed) for c in part["customer_id"]}
    assert seen.isdisjoint(c for each in test for c in each.assessed["customer_id"])


def test_card_precision_counts_cards_not_transactions_by_their_highest_score():
    rows = _scored((1, 1, 1, 0.9), (1, 1, 1, 0.8), (1, 2, 0, 0.7), (1, 3, 1, 0.6))
    assert card_precision(rows, cards=2) == pytest.approx(1 / 2)
    assert card_precision(rows, cards=3) == pytest.approx(2 / 3)


def test_a_card_counts_as_found_when_any_of_its_transactions_of_the_day_is_a_fraud():
    assert card_precision(_scored((1, 1, 0, 0.9), (1, 1, 1, 0.1), (1, 2, 0, 0.5)), cards=1) == 1


def test_a_card_that_was_found_is_not_looked_at_on_later_days():
    rows = _scored((1, 1, 1, 0.9), (2, 1, 1, 0.9), (2, 2, 0, 0.5))
    assert card_precision(rows, cards=1) == pytest.approx(1 / 2)


def test_fewer_cards_than_asked_still_count_against_all_that_could_be_looked_at():
    assert card_precision(_scored((1, 1, 1, 0.9)), cards=100) == pytest.approx(0.01)


def test_equal_scores_do_not_depend_on_the_order_of_rows():
    rows = _scored(*((1, customer, customer % 2, 0.5) for customer in range(10)))
    assert card_precision(rows, cards=3) == card_precision(rows.reverse(), cards=3)
