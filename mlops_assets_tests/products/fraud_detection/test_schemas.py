"""The contract of transactions."""

from datetime import UTC, datetime

import polars as pl
import pytest

from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.products.fraud_detection import dataset
from mlops_assets.products.fraud_detection.schemas import EventSchema


@pytest.fixture(scope="module")
def sample():
    return dataset.sample(7)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"amount_usd": -1.0}, "amount_usd"),
        ({"amount_usd": float("nan")}, "amount_usd"),
        ({"amount_usd": 60_000.0}, "amount_usd"),
        ({"customer_id": None}, "customer_id"),
        ({"terminal_id": -4}, "terminal_id"),
        ({"known_at": datetime(2017, 1, 1, tzinfo=UTC)}, "known"),
    ],
)
def test_a_row_that_cannot_be_is_rejected_alone_and_with_the_reason(sample, change, column):
    name, value = next(iter(change.items()))
    rows = sample.events.head(5)
    first = pl.col("transaction_id") == rows["transaction_id"][0]
    broken = rows.with_columns(
        pl.when(first).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name)
    )
    result = apply_contract(broken, EventSchema, id_column="transaction_id", subject="sample")
    assert result.rejected.height == 1
    assert column in str(result.rejected["reasons"][0].to_list())
