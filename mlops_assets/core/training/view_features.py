"""Feature vectors by a view: the stored rows that this view made, and those of other days computed from the events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from mlops_assets.core.errors import FeatureError, TrainingError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.view import FEATURE_VIEW, FeatureView
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.storable_types import to_storable
from mlops_assets.core.lakehouse.tables import DeltaTables

FEATURES = "features"
_DAY = "event_date"
_BLOCK_DAYS = 31
"""Days that are computed at once; each block reads the history before it again."""


@dataclass(frozen=True)
class ViewFeatures:
    """Feature vectors that one view made, all of them."""

    rows: pl.DataFrame
    """One row per event, in no order: id, event time (products with a time axis), features, `event_date`,
    `feature_view`."""
    computed: tuple[date, ...]
    """Days whose stored rows another view made, in order: theirs were computed here."""


def _as_read(_name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def features_by_view(
    tables: DeltaTables, product: str, view: FeatureView, *, days: DayRange | None
) -> ViewFeatures:
    """Return the vectors of the days of the table `features` as `view` defines them; of a cohort (`days` None) all.

    Rows that another view made, or of which nothing tells the view, are computed anew from `events` and `labels`; the
    table stays as it is. A day without rows in it has none here. So what is read never mixes two definitions, and is
    the same whichever days were made again since a feature was redefined.

    Raises: TableNotFoundError without the table; FeatureError when today's events or labels lack a column that the view
    reads.
    """
    stored = tables.scan(product, FEATURES, days=days).collect()
    if stored.is_empty():
        return ViewFeatures(_computed(tables, product, view, days).clear(), ())
    is_other = _made_by(tables, product, stored).ne_missing(view.digest)
    if not is_other.any():
        return ViewFeatures(_in_order(stored, view), ())
    if days is None:
        return ViewFeatures(_computed(tables, product, view, None), ())
    others = stored.filter(is_other)[_DAY].unique().sort().to_list()
    kept = stored.filter(~pl.col(_DAY).is_in(others))
    parts = [_computed(tables, product, view, block) for block in _blocks(others)]
    return ViewFeatures(pl.concat([*([_in_order(kept, view)] if kept.height else []), *parts]), tuple(others))


def features_of_days(
    tables: DeltaTables,
    product: str,
    view: FeatureView,
    *,
    days: DayRange | None,
    record: Callable[[str, pl.DataFrame], pl.DataFrame] = _as_read,
) -> pl.DataFrame:
    """Compute the vectors of the days' events from `events` and `labels`, with the history that the view looks back.

    One row per event, sorted by event time and id: id, event time, features, `event_date`, `feature_view`; of a cohort
    (`days` None) id, features and `feature_view`.

    tables, product, view: whose events, and what their features are. record: is told the name and rows of each table
    that is read, and returns the rows.

    Raises: FeatureError when the tables lack a column that the view reads, and as `compute_features`.
    """
    made_by = pl.lit(view.digest).alias(FEATURE_VIEW)
    if days is None:
        events = record("events", _read(tables, product, "events", view.input_columns, None))
        return compute_features(view, events, None).with_columns(made_by)
    history = days.with_lookback(view.lookback)
    events = record("events", _read(tables, product, "events", view.input_columns, history))
    labels = None
    if view.needs_labels:
        known = DayRange(history.first, days.end, "known_date")
        labels = record("labels", _read(tables, product, "labels", view.label_columns, known))
    frame = compute_features(view, events, labels, start=days.starts_at, end=days.ends_at)
    return frame.with_columns(pl.col(str(view.event_timestamp)).dt.date().alias(_DAY), made_by)


def require_view(tables: DeltaTables, product: str, view: FeatureView, training_set: pl.DataFrame) -> None:
    """Make sure that `view` made the newest training set, of which these are the rows.

    A training set of before rows named their view was made by the one that its commit names.

    Raises: TrainingError when another view made it, or nothing tells which did, with what to materialize.
    """
    if FEATURE_VIEW in training_set.columns:
        found = set(training_set[FEATURE_VIEW].unique())
    else:
        found = {_declared_view(tables.last_commit_info(product, "training_set").inputs)}
    if found != {view.digest}:
        made_by = ", ".join(sorted(name[:12] if name else "one that nothing names" for name in found))
        raise TrainingError(
            f"{product}/training_set was made by the feature view {made_by}, but declared is {view.digest[:12]}: "
            f"materialize {product}/training_set first"
        )


def _made_by(tables: DeltaTables, product: str, stored: pl.DataFrame) -> pl.Series:
    """The digest of the view that made each row; null where nothing tells.

    Rows of before the column was made were made by the view that the newest commit of their day names.
    """
    if FEATURE_VIEW in stored.columns:
        named = stored[FEATURE_VIEW]
    else:
        named = pl.Series(FEATURE_VIEW, [None], dtype=pl.String).new_from_index(0, stored.height)
    if not named.has_nulls():
        return named
    if _DAY not in stored.columns:
        told = _declared_view(tables.last_commit_info(product, FEATURES).inputs)
        return named.fill_null(told) if told else named
    days = stored.filter(named.is_null())[_DAY].unique().to_list()
    by_day = _views_of_commits(tables, product, days)
    told_by_day = stored[_DAY].replace_strict(by_day, default=None, return_dtype=pl.String)
    return pl.select(pl.coalesce(named, told_by_day)).to_series()


def _views_of_commits(tables: DeltaTables, product: str, days: Sequence[date]) -> dict[date, str | None]:
    found: dict[date, str | None] = {}
    for entry in tables.history(product, FEATURES):
        if entry["run_id"] is None:  # maintenance
            continue
        interval, view = entry["days"], _declared_view(entry["inputs"])
        for day in days:
            if day in found:
                continue
            if interval is None or DayRange(day, day + timedelta(days=1)).overlaps(str(interval)):
                found[day] = view
    return found


def _declared_view(inputs: object) -> str | None:
    """The view among what a commit says that its rows were made from."""
    identity = Identity.read_json(str(inputs))
    return None if identity is None else identity.declared.get("view")


def _computed(tables: DeltaTables, product: str, view: FeatureView, days: DayRange | None) -> pl.DataFrame:
    """Rows as the table would have them."""
    rows = to_storable(features_of_days(tables, product, view, days=days), subject=f"{product}/{FEATURES}")
    return _in_order(rows, view)


def _in_order(rows: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    """The columns of the view's own rows in one order, whatever other columns the table has."""
    times = [view.event_timestamp] if view.event_timestamp else []
    days = [_DAY] if _DAY in rows.columns else []
    columns = rows.select(view.id_column, *times, *view.feature_names, *days)
    return columns.with_columns(pl.lit(view.digest).alias(FEATURE_VIEW))


def _blocks(days: Sequence[date]) -> list[DayRange]:
    """The days, in order, as ranges without gaps of at most _BLOCK_DAYS."""
    blocks: list[DayRange] = []
    for day in days:
        end = day + timedelta(days=1)
        last = blocks[-1] if blocks else None
        if last is not None and last.end == day and (end - last.first).days <= _BLOCK_DAYS:
            blocks[-1] = DayRange(last.first, end)
        else:
            blocks.append(DayRange(day, end))
    return blocks


def _read(
    tables: DeltaTables, product: str, noun: str, columns: tuple[str, ...], days: DayRange | None
) -> pl.DataFrame:
    there = tables.scan(product, noun).collect_schema().names()
    if missing := [name for name in columns if name not in there]:
        raise FeatureError(
            f"{product}/{noun} has no column {', '.join(missing)}, which the feature view reads: bring the column back"
        )
    return tables.read(product, noun, columns=columns, days=days)
