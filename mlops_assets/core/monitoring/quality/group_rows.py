"""The columns by which rows are told apart in groups, beside the rows themselves."""

from collections.abc import Sequence

import polars as pl

from mlops_assets.core.contracts.event_identity import first_versions
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.lakehouse.day_range import days_of
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion, champion_held_out
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.view_features import features_by_view


def with_columns_of_events(
    tables: DeltaTables, product: Product, view: FeatureView, rows: pl.DataFrame, *, columns: Sequence[str]
) -> pl.DataFrame:
    """Add columns of the rows' features or events, by id; what the rows have stays. Null where the event is gone.

    tables, product: whose events. view: what made the features; a column that it makes is taken from there. rows: with
    the id, and with a time axis the event's time.
    """
    id_column = product.spec.id_column
    missing = [name for name in dict.fromkeys(columns) if name not in rows.columns]
    of_view = [name for name in missing if name in view.feature_names]
    of_events = [name for name in missing if name not in of_view]
    if rows.is_empty():
        stored = tables.schema(product.name, "events") if of_events else {}
        return rows.with_columns(pl.lit(None, stored.get(name, pl.Float64)).alias(name) for name in missing)
    days = days_of(rows, view.event_timestamp)
    if of_view:
        made = features_by_view(tables, product.name, view, days=days).rows.select(id_column, *of_view)
        rows = rows.join(made, on=id_column, how="left", maintain_order="left")
    if of_events:
        times = [KNOWN_AT] if product.spec.time else []
        read = tables.scan(product.name, "events", days=days).select(id_column, *of_events, *times).collect()
        events = first_versions(read, id_column=id_column).select(id_column, *of_events)
        rows = rows.join(events, on=id_column, how="left", maintain_order="left")
    return rows


def champion_test_rows(
    tables: DeltaTables, product: Product, champion: Champion, *, columns: Sequence[str]
) -> pl.DataFrame:
    """Return the test rows of a champion as it scores and decides them: `score`, `decision`, label, `columns`.

    Raises: RegistryError when the table holds them no more.
    """
    rows = champion_held_out(tables, product, champion).filter(pl.col("split") == "test")
    scores = pl.Series("score", champion.model.predict(rows), dtype=pl.Float64)
    decided = (pl.col("score") >= champion.threshold).cast(pl.Int8).alias("decision")
    rows = rows.with_columns(scores).with_columns(decided)
    return with_columns_of_events(tables, product, champion.view, rows, columns=columns)
