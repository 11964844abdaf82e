"""The landing of served predictions: what services captured, moved from the online store into the lakehouse."""

from functools import partial

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset
from mlops_assets.assets.support.pictures import picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import Shown, TableWrites
from mlops_assets.core.contracts.contract import column_type
from mlops_assets.core.plots.overview import rows_per_day
from mlops_assets.core.predictions.captured import (
    SERVED_DAYS,
    SET_ASIDE,
    TABLE,
    LandingTable,
    collect_captured,
    last_store,
)
from mlops_assets.core.predictions.served_rows import served_summary
from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores

SUMMARY_COLUMNS = ("received_at", "model_version", "role", "score", "latency_seconds", "error")


def landing_table(product: Product) -> LandingTable:
    """Return how the product's captured predictions are stored."""
    id_column = product.spec.id_column
    return LandingTable(
        product.name,
        id_column=id_column,
        id_type=column_type(product.event_schema, id_column) or pl.String(),
        has_time=product.spec.time is not None,
    )


def served_predictions_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset `served_predictions` of one product."""
    landing = landing_table(product)

    @product_asset(
        product,
        TABLE,
        stage="operation",
        kinds={"bentoml", "deltalake"},
    )
    def served_predictions(
        context: dg.AssetExecutionContext,
        lakehouse: LakehouseResource,
        online_stores: dg.ResourceParam[OnlineStores],
    ) -> dg.MaterializeResult:
        """One row is a prediction that a service gave: request, feature vector, score, version, role and times.

        Made from the records that services captured in the online store, each exactly once; the store then forgets
        them. A record that cannot be stored is set aside in `unreadable_predictions`, with its reason. Used by
        `predictions`.
        """
        writes = TableWrites(context, lakehouse, product, TABLE, day_column=landing.day_column)
        seen: list[pl.DataFrame] = []
        repeated = set_aside = 0
        with online_stores.opened(product.name) as store:
            waiting, identity = store.captured_count(), store.identity()
            if (before := last_store(lakehouse.tables, product.name)) not in (None, identity):
                context.log.warning(f"the online store is another one than before: {identity}, not {before}")
            context.log.info(f"{waiting:,} captured records are waiting")
            blocks = collect_captured(
                store,
                lakehouse.tables,
                landing,
                commit=writes.commit_info,
                inputs=partial(_made_from, context, lakehouse, product),
            )
            for block in blocks:
                writes.commits.append(block.commit)
                repeated, set_aside = repeated + block.repeated, set_aside + block.set_aside
                seen.append(block.rows.select(landing.day_column, *SUMMARY_COLUMNS))
                context.log.info(f"{writes.rows:,} of {waiting:,} collected; {repeated:,} were there already")
        counts = lakehouse.tables.day_counts(product.name, TABLE, landing.day_column)
        shown: dict[str, Shown] = {
            "collected": writes.rows,
            "sent_again": repeated,
            "set_aside": set_aside,
            "store": identity,
        }
        if set_aside:
            context.log.warning(
                f"{set_aside:,} captured records could not be stored; {product.name}/{SET_ASIDE} has them and why"
            )
        if counts.height:
            shown["per_day"] = picture(rows_per_day(counts, title="Served predictions"), caption="per day")
        return writes.result({**shown, **_collected(pl.concat(seen), landing)})

    return served_predictions


def _made_from(
    context: dg.AssetExecutionContext, lakehouse: LakehouseResource, product: Product, records: pl.DataFrame
) -> str:
    """Say of captured records that rows are made from them."""
    reads = RecordedReads(context, lakehouse.tables, product, noun=TABLE)
    reads.rows("captured records", records)
    reads.declared("id_column", "time")
    return reads.identity().to_json()


def _collected(rows: pl.DataFrame, landing: LandingTable) -> dict[str, Shown]:
    """Describe what this run moved; nothing when nothing was captured."""
    if rows.is_empty():
        return {}
    days = rows[landing.day_column]
    return {
        **({SERVED_DAYS: f"{days.min()}/{days.max()}"} if landing.has_time else {}),
        "by_version": table(served_summary(rows)),
        "errors": int(rows["error"].count()),
        "newest": dg.MetadataValue.timestamp(rows["received_at"].max()),  # pyright: ignore[reportArgumentType]
    }
