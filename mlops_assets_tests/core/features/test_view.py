"""Feature views: what a declaration says, and which declarations are refused."""

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature

DAY = timedelta(days=1)
AMOUNT = RowFeature("amount", col("amount_usd"), "Amount.", unit="USD", null_means="not charged")
RATIO = RowFeature("ratio", col("amount_usd") / col("customer_mean_7d"), "Amount to mean.")


def mean(**changes: object) -> WindowFeature:
    options = {
        "name": "customer_mean_{window}",
        "stream": "events",
        "entity": "customer_id",
        "aggregation": "mean",
        "windows": (DAY, 7 * DAY),
        "description": "Mean over the last {window}.",
        "column": "amount_usd",
    }
    return WindowFeature(**(options | changes))


FRAUDS = mean(
    name="terminal_frauds_{window}", stream="labels", entity="terminal_id", column="is_fraud",
    delay=7 * DAY, includes_current=False,
)  # fmt: skip


def view(*features: RowFeature | WindowFeature) -> FeatureView:
    return FeatureView("view", "id", "event_timestamp", features)


def test_features_are_named_in_the_order_of_declaration():
    assert view(RATIO, mean(), AMOUNT).feature_names == (
        "ratio",
        "customer_mean_1d",
        "customer_mean_7d",
        "amount",
    )


@pytest.mark.parametrize(
    ("window", "label", "words"),
    [
        (7 * DAY, "7d", "7 days"),
        (DAY, "1d", "1 day"),
        (timedelta(hours=36), "36h", "36 hours"),
        (timedelta(minutes=90), "90m", "90 minutes"),
        (timedelta(seconds=1), "1s", "1 second"),
    ],
)
def test_a_window_is_named_in_its_largest_whole_unit(window, label, words):
    feature = mean(windows=(window,))
    assert (feature.feature_name(window), feature.feature_description(window)) == (
        f"customer_mean_{label}",
        f"Mean over the last {words}.",
    )


def test_lookback_reaches_to_the_start_of_the_oldest_window():
    assert view(mean(windows=(10 * DAY,)), FRAUDS).lookback == 14 * DAY
    assert view(AMOUNT).lookback == timedelta(0)


def test_lineage_leads_through_window_features_to_columns():
    lineage = view(RATIO, mean(), FRAUDS).lineage
    customer = {("events", name) for name in ("customer_id", "amount_usd", "event_timestamp", "known_at")}
    assert set(lineage["ratio"]) == set(lineage["customer_mean_7d"]) == customer
    labels = {("labels", name) for name in ("is_fraud", "known_at", "id")}
    event = {("events", name) for name in ("terminal_id", "event_timestamp", "known_at")}
    assert set(lineage["terminal_frauds_1d"]) == labels | event


def test_a_view_names_the_columns_it_reads():
    declared = view(RATIO, mean(), FRAUDS)
    assert declared.input_columns == (
        "amount_usd",
        "customer_id",
        "event_timestamp",
        "id",
        "known_at",
        "terminal_id",
    )
    assert declared.label_columns == ("id", "is_fraud", "known_at")
    assert view(AMOUNT, mean()).label_columns == ()
    assert FeatureView("cohort", "id", None, (AMOUNT,)).input_columns == ("amount_usd", "id")


def test_a_feature_is_documented():
    declared = view(AMOUNT, mean(unit="USD"), mean(name="count_{window}", aggregation="count", column=None))
    amount, mean_7d = declared.describe("amount"), declared.describe("customer_mean_7d")
    assert (amount.description, amount.unit, amount.null_means, amount.dtype) == (
        "Amount.",
        "USD",
        "not charged",
        pl.Float64,
    )
    assert (mean_7d.description, mean_7d.unit, mean_7d.dtype) == (
        "Mean over the last 7 days.",
        "USD",
        pl.Float64,
    )
    assert declared.describe("count_1d").dtype == pl.Int64
    with pytest.raises(FeatureError, match="no feature other"):
        declared.describe("other")


def test_the_digest_changes_with_the_declaration_and_with_nothing_else():
    assert view(RATIO, mean()).digest == view(RATIO, mean()).digest
    changed = [
        view(mean(), RATIO),
        view(RATIO, mean(decimals=3)),
        view(RowFeature("ratio", col("amount_usd") / col("customer_mean_1d"), "Amount to mean."), mean()),
    ]
    assert len({view(RATIO, mean()).digest, *(other.digest for other in changed)}) == 4


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ((), "no features"),
        ((AMOUNT, AMOUNT), "two features are called amount"),
        ((mean(windows=(DAY, DAY)),), "two features are called customer_mean_1d"),
        ((mean(name="customer_mean"),), "must contain"),
        ((mean(windows=()),), "at least one"),
        ((mean(windows=(timedelta(0),)),), "longer than zero"),
        ((mean(windows=(timedelta(microseconds=5),)),), "whole number of seconds"),
        ((mean(delay=-DAY),), "delay"),
        ((mean(column=None),), "mean needs a column"),
        ((mean(stream="labels"),), "includes_current must be False"),
        ((mean(decimals=10),), "decimals"),
        ((mean(aggregation="median"),), "median"),
        ((mean(stream="outcomes"),), "outcomes"),
        ((mean(aggregation="count", column=None, when_empty=1.0),), "when_empty"),
        ((mean(), mean(name="again_{window}", column="customer_mean_1d")), "itself a window feature"),
    ],
)
def test_a_declaration_that_cannot_mean_anything_is_refused(features, words):
    with pytest.raises(FeatureError, match=words):
        view(*features)


def test_a_cohort_has_no_windows():
    with pytest.raises(FeatureError, match="cohort"):
        FeatureView("cohort", "id", None, (mean(),))
