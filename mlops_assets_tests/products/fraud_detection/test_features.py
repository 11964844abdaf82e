"""The features of fraud detection: the published ones as the book defines them, and none of its own outcome."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.products.fraud_detection import dataset, features

WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def sample():
    return dataset.sample(7)


def _day(number: int) -> datetime:
    return datetime(2018, 4, 1, tzinfo=UTC) + timedelta(days=number)


def test_the_view_begins_with_the_published_features_and_never_reads_the_label_of_its_own_row():
    assert len(features.PUBLISHED_FEATURES) == 15
    assert features.VIEW.feature_names[:15] == features.PUBLISHED_FEATURES
    assert "is_fraud" not in features.VIEW.feature_names
    assert "is_fraud" not in features.VIEW.input_columns
    for feature in features.VIEW.window_features:
        assert feature.stream != "labels" or feature.delay >= features.LABEL_DELAY


def test_the_published_features_equal_those_counted_by_hand_from_the_books_definitions(sample):
    labels = sample.labels.select("transaction_id", "is_fraud")
    rows = sample.events.join(labels, on="transaction_id").rows(named=True)
    computed = compute_features(features.VIEW, sample.events, sample.labels).rows_by_key(
        "transaction_id", named=True, unique=True
    )
    for row in rows[:: len(rows) // 150]:
        expected = _by_hand(row, rows)
        found = computed[row["transaction_id"]]
        for name, value in expected.items():
            assert found[name] == pytest.approx(value), (name, row)


def _by_hand(row, rows) -> dict[str, float]:
    at = row["event_timestamp"]
    values = {
        "amount_usd": row["amount_usd"],
        "is_weekend": int(at.weekday() >= 5),
        "is_night": int(at.hour <= 6),
    }
    for days in (1, 7, 30):
        window = timedelta(days=days)
        own = [r for r in rows if r["customer_id"] == row["customer_id"]]
        recent = [r["amount_usd"] for r in own if at - window < r["event_timestamp"] <= at]
        values[f"customer_transaction_count_{days}d"] = len(recent)
        values[f"customer_mean_amount_{days}d"] = sum(recent) / len(recent)
        there = [r for r in rows if r["terminal_id"] == row["terminal_id"]]
        known = [r["is_fraud"] for r in there if at - WEEK - window < r["event_timestamp"] < at - WEEK]
        values[f"terminal_transaction_count_{days}d"] = len(known)
        values[f"terminal_fraud_share_{days}d"] = sum(known) / len(known) if known else 0
    return values


def test_features_are_finite_even_for_a_customer_whose_earlier_amounts_are_all_zero(sample):
    free = sample.events.with_columns(
        pl.when(pl.col("event_timestamp") < _day(40)).then(0.0).otherwise("amount_usd").alias("amount_usd")
    )
    computed = compute_features(features.VIEW, free, sample.labels)
    finite = computed.select(pl.col(pl.Float64).is_infinite().any())
    assert not any(finite.row(0))
    assert computed["amount_to_usual"].max() > 0
