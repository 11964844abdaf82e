"""What a transaction looks like as of its own time: to its holder's habits, and to its terminal's history.

The first 15 features are those of the Fraud Detection Handbook (Le Borgne et al. 2022, chapter 3). The
further ones follow from how frauds come about: a card is charged several times its usual amounts; a terminal's frauds
become known a week late, after which it stays compromised for some weeks and then is clean again.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from mlops_assets.core.features.expressions import Expression, col, maximum
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature

LABEL_DELAY = timedelta(days=7)
NO_HISTORY = "the customer made no transaction in the window"


def _days(*counts: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(days=count) for count in counts)


PUBLISHED: Final = (
    RowFeature("amount_usd", col("amount_usd"), "Amount of the transaction.", unit="USD"),
    RowFeature("is_weekend", col("event_timestamp").is_weekend(), "1 on Saturdays and Sundays, UTC."),
    RowFeature("is_night", col("event_timestamp").hour_between(0, 7), "1 from 00:00 to 06:59 UTC."),
    WindowFeature(
        name="customer_transaction_count_{window}",
        stream="events",
        entity="customer_id",
        aggregation="count",
        windows=_days(1, 7, 30),
        description="Transactions of the customer in the last {window}, this one included.",
    ),
    WindowFeature(
        name="customer_mean_amount_{window}",
        stream="events",
        entity="customer_id",
        aggregation="mean",
        column="amount_usd",
        windows=_days(1, 7, 30),
        description="Mean amount of the customer in the last {window}, this transaction included.",
        unit="USD",
    ),
    WindowFeature(
        name="terminal_transaction_count_{window}",
        stream="events",
        entity="terminal_id",
        aggregation="count",
        windows=_days(1, 7, 30),
        delay=LABEL_DELAY,
        includes_current=False,
        description="Transactions at the terminal in the {window} that ended 7 days ago.",
    ),
    WindowFeature(
        name="terminal_fraud_share_{window}",
        stream="labels",
        entity="terminal_id",
        aggregation="mean",
        column="is_fraud",
        windows=_days(1, 7, 30),
        delay=LABEL_DELAY,
        includes_current=False,
        decimals=0,
        when_empty=0.0,
        description="Share of frauds at the terminal in the {window} that ended 7 days ago, or 0.",
    ),
)
"""The 15 published features, under our names."""

TERMINAL_HISTORY: Final = (
    WindowFeature(
        name="terminal_fraud_count_{window}",
        stream="labels",
        entity="terminal_id",
        aggregation="sum",
        column="is_fraud",
        windows=_days(3, 7, 14, 21, 28),
        delay=LABEL_DELAY,
        includes_current=False,
        decimals=0,
        when_empty=0.0,
        description="Known frauds at the terminal in the {window} that ended 7 days ago.",
    ),
    WindowFeature(
        name="terminal_known_fraud_share_{window}",
        stream="labels",
        entity="terminal_id",
        aggregation="mean",
        column="is_fraud",
        windows=_days(3, 14, 21, 28),
        delay=LABEL_DELAY,
        includes_current=False,
        decimals=0,
        description="Share of frauds at the terminal in the {window} that ended 7 days ago.",
        null_means="the terminal had no transaction in the window",
    ),
    WindowFeature(
        name="terminal_last_outcome_{window}",
        stream="labels",
        entity="terminal_id",
        aggregation="last",
        column="is_fraud",
        windows=_days(30),
        delay=LABEL_DELAY,
        includes_current=False,
        description="1 when the terminal's newest transaction of the {window} that ended 7 days ago was a fraud.",
        null_means="the terminal had no transaction in the window",
    ),
    RowFeature(
        "terminal_old_fraud_count",
        col("terminal_fraud_count_28d") - col("terminal_fraud_count_21d"),
        "Known frauds at the terminal 28 to 35 days ago: a compromise that old has ended.",
    ),
)
# A card stays compromised for 14 days: its usual amounts are those of before.
CUSTOMER_HABITS: Final = (
    WindowFeature(
        name="customer_usual_amount_{window}",
        stream="events",
        entity="customer_id",
        aggregation="mean",
        column="amount_usd",
        windows=_days(60),
        delay=timedelta(days=14),
        includes_current=False,
        description="Mean amount of the customer in the {window} that ended 14 days ago.",
        unit="USD",
        null_means=NO_HISTORY,
    ),
    WindowFeature(
        name="customer_earlier_mean_amount_{window}",
        stream="events",
        entity="customer_id",
        aggregation="mean",
        column="amount_usd",
        windows=_days(30),
        includes_current=False,
        description="Mean amount of the customer in the last {window}, without this transaction.",
        unit="USD",
        null_means=NO_HISTORY,
    ),
    WindowFeature(
        name="customer_earlier_maximum_amount_{window}",
        stream="events",
        entity="customer_id",
        aggregation="max",
        column="amount_usd",
        windows=_days(1, 3, 7, 14),
        includes_current=False,
        description="Largest amount of the customer in the last {window}, without this transaction.",
        unit="USD",
        null_means=NO_HISTORY,
    ),
    WindowFeature(
        name="customer_fraud_count_{window}",
        stream="labels",
        entity="customer_id",
        aggregation="sum",
        column="is_fraud",
        windows=_days(7, 14, 30),
        delay=LABEL_DELAY,
        includes_current=False,
        decimals=0,
        when_empty=0.0,
        description="Known frauds on the customer's card in the {window} that ended 7 days ago.",
    ),
)
SMALLEST_USUAL_USD = 1.0
"""Ratios divide by at least this: the only amount of a window may be 0."""
USUAL: Final = maximum(col("customer_usual_amount_60d"), SMALLEST_USUAL_USD)


def _against_usual(name: str, amount: str, what: str) -> RowFeature:
    return RowFeature(
        name,
        col(amount) / USUAL,
        f"{what}, divided by the customer's usual amount.",
        null_means="the customer has no usual amount yet, or made no transaction in the window",
    )


RATIOS: Final = (
    _against_usual("amount_to_usual", "amount_usd", "Amount of the transaction"),
    _against_usual("mean_amount_1d_to_usual", "customer_mean_amount_1d", "Mean amount of the last day"),
    _against_usual("mean_amount_7d_to_usual", "customer_mean_amount_7d", "Mean amount of the last 7 days"),
    *(
        _against_usual(
            f"maximum_amount_{days}d_to_usual",
            f"customer_earlier_maximum_amount_{days}d",
            f"Largest amount of the last {days} days before this transaction",
        )
        for days in (1, 3, 7, 14)
    ),
    RowFeature(
        "amount_to_earlier_mean_30d",
        col("amount_usd") / maximum(col("customer_earlier_mean_amount_30d"), SMALLEST_USUAL_USD),
        "Amount of the transaction, divided by the customer's mean amount of the last 30 days before it.",
        null_means=NO_HISTORY,
    ),
)

VIEW = FeatureView(
    name="fraud_detection",
    id_column="transaction_id",
    event_timestamp="event_timestamp",
    features=(*PUBLISHED, *TERMINAL_HISTORY, *CUSTOMER_HABITS, *RATIOS),
)
PUBLISHED_FEATURES: tuple[str, ...] = VIEW.feature_names[:15]

BASELINES: Mapping[str, Expression] = {"amount_rule": col("amount_usd")}
"""Score of what a bank would do without a model: look at the largest amounts first."""
