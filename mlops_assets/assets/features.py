"""The feature stage: the view of `features.py`, computed for history as of each event's own time."""

from datetime import date

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.column_docs import column_lineage
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.pictures import picture
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.plots.overview import feature_histograms
from mlops_assets.core.product import Product
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
        its longest window needs. Used by `training_set` and `predictions`.
        """
        writes = TableWrites(context, lakehouse, product, "features")
        for days in day_blocks(context, "event_date", rows=_rows_by_day(lakehouse, product)):
            reads = RecordedReads(context, lakehouse.tables, product, noun="features")
            frame = _compute(reads, lakehouse, days)
            writes.write(frame, days, reads=reads)
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


def _compute(reads: RecordedReads, lakehouse: LakehouseResource, days: DayRange | None) -> pl.DataFrame:
    view, name, tables = reads.product.view, reads.product.name, lakehouse.tables
    if days is None:
        events = reads.rows("events", tables.read(name, "events", columns=view.input_columns))
        return compute_features(view, events, None)
    history = days.with_lookback(view.lookback)
    events = reads.rows("events", tables.read(name, "events", columns=view.input_columns, days=history))
    labels = None
    if view.needs_labels:
        known = DayRange(history.first, days.end, "known_date")
        labels = reads.rows("labels", tables.read(name, "labels", columns=view.label_columns, days=known))
    frame = compute_features(view, events, labels, start=days.starts_at, end=days.ends_at)
    return frame.with_columns(pl.col(str(view.event_timestamp)).dt.date().alias("event_date"))
