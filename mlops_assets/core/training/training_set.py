"""A training set as of a time: feature vectors joined with the outcomes that were known by then, and split."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.features.view import FEATURE_VIEW
from mlops_assets.core.labels.outcomes import newest_labels
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import StratifiedSplit
from mlops_assets.core.times import KNOWN_AT, UTC_TIME
from mlops_assets.core.training.splits import assign_stratified_split, assign_time_split, split_windows

AS_OF = "as_of"


def build_training_set(
    product: Product, *, features: pl.DataFrame, labels: pl.DataFrame, as_of: datetime | None
) -> pl.DataFrame:
    """Join features, which the product's view made, with the labels known at `as_of` and assign the splits.

    One row per event with a known outcome inside the split windows: id, `event_timestamp` and `as_of` (products with a
    time axis), all features of the view, `feature_view` that names it, the label (Int8) and `split`, sorted by time and
    id. A label or correction that became known after `as_of` changes nothing. `as_of` is None for a cohort.

    Raises: TrainingError when no outcome was known, or a split is empty or has one class.
    """
    spec = product.spec
    label = spec.label.column
    known = newest_labels(labels, id_column=spec.id_column, label=label, as_of=as_of)
    if known.is_empty():
        raise TrainingError(
            f"{product.name}/training_set: no outcome was known at {as_of}; materialize labels of the "
            f"{spec.label.delay_days} days and more before it"
        )
    times = [] if as_of is None else [str(product.view.event_timestamp)]
    rows = (
        features.select(spec.id_column, *times, *product.view.feature_names)
        .with_columns(pl.lit(product.view.digest).alias(FEATURE_VIEW))
        .join(known.select(spec.id_column, pl.col(label).cast(pl.Int8)), on=spec.id_column, how="inner")
        .sort(*times, spec.id_column)
    )
    if isinstance(spec.split, StratifiedSplit):
        return assign_stratified_split(rows, id_column=spec.id_column, label=label, split=spec.split)
    if as_of is None:
        raise TrainingError(f"{product.name}/training_set: a split in time needs an as-of time")
    split = assign_time_split(rows, as_of=as_of, split=spec.split, label=label)
    return split.with_columns(pl.lit(as_of).cast(UTC_TIME).alias(AS_OF))


def known_vectors(
    features: pl.DataFrame, events: pl.DataFrame, *, id_column: str, as_of: datetime
) -> pl.DataFrame:
    """Keep the feature vectors of events of which a version was known before `as_of`; order is kept.

    A vector itself needs no cut: it is as of its event's own time, and its own row is the version that was known first.
    So rows that become known at `as_of` or later, new events and corrections alike, change nothing.

    events: event versions, with id and `known_at`.
    """
    known = events.filter(pl.col(KNOWN_AT) < as_of).select(id_column)
    return features.join(known, on=id_column, how="semi", maintain_order="left")


def covered_days(product: Product, *, as_of: datetime) -> tuple[date, date]:
    """Return [first day, end day) from the start of the train window to the end of the test window."""
    if isinstance(product.spec.split, StratifiedSplit):
        raise TrainingError(f"{product.name} has no time axis, so its training set covers no days")
    windows = split_windows(as_of=as_of, split=product.spec.split)
    end = windows["test"][1]
    last = end.date() if end.timetz() == time(tzinfo=UTC) else end.date() + timedelta(days=1)
    return windows["train"][0].date(), last
