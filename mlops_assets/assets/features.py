"""The feature stage: the view of `features.py`, computed for history as of each event's own time."""

from datetime import date

import dagster as dg

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.column_docs import column_lineage
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.pictures import picture
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.plots.overview import feature_histograms
from mlops_assets.core.product import Product
from mlops_assets.core.training.view_features import features_of_days
from mlops_assets.resources.lakehouse import LakehouseResource

PLOTTED_ROWS = 20_000


def feature_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the feature stage of one product."""
    return [_features(product)]


def _features(product: Product) -> dg.AssetsDefinition:
    view = product.view
    deps = [upstream(product, "events", lookback=view.lookback)]
    if view.needs_labels:
        deps.append(upstream(product, "labels", lookback=view.lookback))

    @product_asset(
        product,
        "features",
        stage="features",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=deps,
    )
    def features(context: dg.AssetExecutionContext, lakehouse: LakehouseResource) -> dg.MaterializeResult:
        """One row is an event's feature vector as of the event's own time: nothing known later is in it.

        Made from `events` and `labels` by the view that serving executes too; a day reads as much history before it as
        its longest window needs, and `feature_view` names the view. Used by `training_set` and `predictions`.
        """
        writes = TableWrites(context, lakehouse, product, "features")
        for days in day_blocks(
            context, "event_date", product.spec.time, rows=_rows_by_day(lakehouse, product)
        ):
            reads = RecordedReads(context, lakehouse.tables, product, noun="features")
            frame = features_of_days(
                lakehouse.tables, product.name, reads.product.view, days=days, record=reads.rows
            )
            writes.write(frame, days, reads=reads, allow_new_columns=True)
        plotted = frame.sample(min(frame.height, PLOTTED_ROWS), seed=0).select(view.feature_names)
        return writes.result(
            {
                "dagster/column_lineage": column_lineage(product),
                "distributions": picture(feature_histograms(plotted), caption="features"),
            }
        )

    return features


def _rows_by_day(lakehouse: LakehouseResource, product: Product) -> dict[date, int] | None:
    if product.view.event_timestamp is None:
        return None
    return dict(lakehouse.tables.day_counts(product.name, "events", "event_date").iter_rows())
