"""The contract of card transactions: what a row must be before anything downstream sees it."""

from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.api.polars.model_config import BaseConfig

UtcTime = Annotated[pl.Datetime, "us", "UTC"]


class EventSchema(pa.DataFrameModel):
    """One row is one card transaction, as the payment processor reports it. No column may be null."""

    transaction_id: int = pa.Field(unique=True, ge=0, description="Identifies the transaction; never reused.")
    event_timestamp: UtcTime = pa.Field(
        description="When the card was charged, UTC.",
    )
    known_at: UtcTime = pa.Field(
        description="When the platform could know the row, UTC; not before event_timestamp.",
    )
    customer_id: int = pa.Field(
        ge=0, description="The card's holder; one card per customer.", metadata={"pii": True}
    )
    terminal_id: int = pa.Field(ge=0, description="The merchant's terminal that charged the card.")
    amount_usd: float = pa.Field(
        ge=0,
        le=50_000,
        description="Amount charged. 0 is a card verification; these cards are limited to 50,000.",
        metadata={"unit": "USD"},
    )

    class Config(BaseConfig):
        """Unknown columns fail; types are checked, never cast."""

        strict = True
        coerce = False

    @pa.dataframe_check
    @classmethod
    def known_after_it_happened(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A row cannot be known before it happened."""
        return data.lazyframe.select(pl.col("known_at") >= pl.col("event_timestamp"))
