"""A training set as of a time: only outcomes that were known by then, each with its split."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.product import Product
from mlops_assets.core.training.training_set import build_training_set, covered_days, known_vectors
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product
from mlops_assets_tests.support.homes.small_home import small_product


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product("fraud_detection")


@pytest.fixture(scope="module")
def features(sampled: SampledProduct) -> pl.DataFrame:
    return compute_features(sampled.product.view, sampled.events, sampled.labels)


@pytest.fixture(scope="module")
def as_of(sampled: SampledProduct) -> datetime:
    last = sampled.labels["known_at"].max()
    assert isinstance(last, datetime)
    return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)


def built(
    sampled: SampledProduct, features: pl.DataFrame, labels: pl.DataFrame, as_of: datetime | None
) -> pl.DataFrame:
    return build_training_set(sampled.product, features=features, labels=labels, as_of=as_of)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_outcomes_that_became_known_later_change_nothing(sampled, features, as_of, data) -> None:
    labels = sampled.labels
    chosen = data.draw(st.lists(st.integers(0, labels.height - 1), max_size=5, unique=True))
    later = labels[chosen].with_columns(
        known_at=pl.lit(as_of + timedelta(hours=1), labels.schema["known_at"]),
        is_fraud=1 - pl.col("is_fraud"),
    )
    before = built(sampled, features, labels, as_of)
    assert built(
        sampled, features, pl.concat([labels, later]).sample(fraction=1, shuffle=True, seed=1), as_of
    ).equals(before)


def test_a_correction_that_was_known_by_then_counts(sampled, features, as_of) -> None:
    labels, before = sampled.labels, built(sampled, features, sampled.labels, as_of)
    event = before["transaction_id"][0]
    old = labels.filter(transaction_id=event)
    corrected = old.with_columns(
        known_at=pl.lit(as_of - timedelta(microseconds=1), labels.schema["known_at"]),
        is_fraud=1 - pl.col("is_fraud"),
    )
    after = built(sampled, features, pl.concat([labels, corrected]), as_of)
    changed = after.filter(before["is_fraud"] != after["is_fraud"])
    assert changed["transaction_id"].to_list() == [event]


def test_rows_are_labelled_feature_vectors_in_order_of_time_without_one_outside_the_windows(
    sampled, features, as_of
) -> None:
    rows = built(sampled, features, sampled.labels, as_of)
    assert rows.columns == [
        "transaction_id", "event_timestamp", *sampled.product.view.feature_names, "feature_view", "is_fraud", "split",
        "as_of",
    ]  # fmt: skip
    assert rows["as_of"].unique().to_list() == [as_of]
    assert rows.equals(rows.sort("event_timestamp", "transaction_id"))
    assert set(rows["split"]) == {"train", "validation", "test"}
    first, end = covered_days(sampled.product, as_of=as_of)
    assert rows["event_timestamp"].dt.date().is_between(first, end, closed="left").all()
    joined = rows.join(features, on="transaction_id", suffix="_of_features")
    assert all(
        joined[name].equals(joined[f"{name}_of_features"], null_equal=True) for name in ("amount_usd",)
    )


def test_before_there_is_an_outcome_it_says_so(sampled, features, as_of) -> None:
    early = datetime(2018, 1, 1, tzinfo=UTC)
    with pytest.raises(TrainingError, match="no outcome was known at 2018-01-01"):
        built(sampled, features, sampled.labels, early)
    with pytest.raises(TrainingError, match="a split in time needs an as-of time"):
        built(sampled, features, sampled.labels, None)


@pytest.mark.parametrize(("hour", "last"), [(0, date(2018, 5, 20)), (1, date(2018, 5, 21))])
def test_the_days_that_are_covered_are_whole(hour: int, last: date) -> None:
    product: Product = small_product()
    delay = timedelta(days=product.spec.label.delay_days)
    at = datetime(2018, 5, 20, hour, tzinfo=UTC) + delay
    first, end = covered_days(product, as_of=at)
    assert end == last
    assert (end - first).days >= 14
    with pytest.raises(TrainingError, match="no time axis"):
        covered_days(load_product("mortality_risk"), as_of=at)


def test_an_event_has_a_vector_in_the_training_set_once_a_version_of_it_was_known(
    sampled, features, as_of
) -> None:
    events = sampled.events.select("transaction_id", "known_at")
    ids = features["transaction_id"]
    at = pl.lit(as_of, events.schema["known_at"])
    is_late, is_corrected = pl.col("transaction_id") == ids[0], pl.col("transaction_id") == ids[1]
    late = events.with_columns(known_at=pl.when(is_late).then(at).otherwise("known_at"))
    corrections = events.filter(is_corrected).with_columns(known_at=at)
    kept = known_vectors(features, pl.concat([late, corrections]), id_column="transaction_id", as_of=as_of)
    assert kept.equals(features[1:])
