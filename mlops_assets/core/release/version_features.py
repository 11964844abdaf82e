"""Feature vectors by a version's own view: the stored ones where the view is the declared one, else computed."""

import polars as pl

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.product import Product


def version_features(
    tables: DeltaTables, product: Product, view: FeatureView, *, days: DayRange | None
) -> pl.DataFrame:
    """Return the vectors of the days' events by `view`, in no order; of a cohort (`days` None) all.

    One row per event: id, event time and day (products with a time axis), features. Without rows of events the frame
    has no rows.

    Raises: FeatureError when today's events or labels lack a column that the view reads.
    """
    if view.digest == product.view.digest:
        # Not `read`, which sorts.
        return tables.scan(product.name, "features", days=days).collect()
    return features_of_days(tables, product.name, view, days=days)


def features_of_days(
    tables: DeltaTables, product: str, view: FeatureView, *, days: DayRange | None
) -> pl.DataFrame:
    """Compute the vectors of the days' events from `events` and `labels`, with the history that the view looks back.

    One row per event, sorted by event time and id: id, event time, features, `event_date`; of a cohort (`days` None)
    id and features.

    Raises: FeatureError when the tables lack a column that the view reads, and as `compute_features`.
    """
    if days is None:
        return compute_features(view, _read(tables, product, "events", view.input_columns, None), None)
    history = days.with_lookback(view.lookback)
    events = _read(tables, product, "events", view.input_columns, history)
    labels = None
    if view.needs_labels:
        known = DayRange(history.first, days.end, "known_date")
        labels = _read(tables, product, "labels", view.label_columns, known)
    frame = compute_features(view, events, labels, start=days.starts_at, end=days.ends_at)
    return frame.with_columns(pl.col(str(view.event_timestamp)).dt.date().alias("event_date"))


def _read(
    tables: DeltaTables, product: str, noun: str, columns: tuple[str, ...], days: DayRange | None
) -> pl.DataFrame:
    there = tables.scan(product, noun).collect_schema().names()
    if missing := [name for name in columns if name not in there]:
        raise FeatureError(
            f"{product}/{noun} has no column {', '.join(missing)}, which the feature view reads: bring the column back"
        )
    return tables.read(product, noun, columns=columns, days=days)
