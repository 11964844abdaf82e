"""A small fraud product whose rows carry what faults like best: text and codes of categories, a reading, an option."""

from dataclasses import replace

import pandera.polars as pa
import polars as pl

from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import RowFeature
from mlops_assets.core.product import Product
from mlops_assets.products.fraud_detection.schemas import EventSchema
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import small_product

CHANNELS = ("web", "shop", "phone", "kiosk")
ID = pl.col("transaction_id")
FEATURES = ("channel_code", "branch", "cabin_temperature", "tip_usd")


class WiderSchema(EventSchema):
    """Card transactions with where and how they were made."""

    channel: str = pa.Field(isin=CHANNELS)
    branch: int = pa.Field(ge=0, metadata={"category": True})
    cabin_temperature: float = pa.Field(ge=-60, le=250)
    tip_usd: float = pa.Field(nullable=True)


def draw(seed: int) -> pl.Expr:
    """A number in [0, 1) for each transaction."""
    return (ID.hash(seed) % 1_000_003) / 1_000_003


def with_wider_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the columns: three channels and nine branches in use, some 20 °C, a tip in a third of the rows."""
    channel = pl.when(draw(1) < 0.5).then(pl.lit("web")).when(draw(1) < 0.8).then(pl.lit("shop"))
    return rows.with_columns(
        channel=channel.otherwise(pl.lit("phone")),
        branch=(draw(2) * 9).cast(pl.Int64),
        cabin_temperature=(17 + 2 * (draw(3) + draw(4) + draw(5))).round(2),
        tip_usd=pl.when(draw(6) < 0.35).then((20 * draw(7)).round(2)),
    )


def wider_product() -> Product:
    """The product; its faults are further changes of what its reader gives."""
    product = changed_reader(small_product(), events=with_wider_columns)
    more = (
        RowFeature("channel_code", col("channel").category(CHANNELS), "How it was made."),
        RowFeature("branch", col("branch"), "Where."),
        RowFeature("cabin_temperature", col("cabin_temperature"), "In the terminal.", unit="°C"),
        RowFeature("tip_usd", col("tip_usd"), "What was given on top.", unit="USD", null_means="no tip"),
    )
    view = replace(product.view, features=(*product.view.features, *more))
    chosen = (*(product.spec.model_features or ()), *FEATURES)
    spec = product.spec.model_copy(update={"model_features": chosen})
    return replace(product, event_schema=WiderSchema, view=view, spec=spec)
