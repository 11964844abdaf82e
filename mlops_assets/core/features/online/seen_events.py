"""The events that services see: those of the lakehouse, and those that were served, as they were known then."""

import polars as pl

from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.times import KNOWN_AT

IS_CAPTURED = "is_captured"


def seen_events(view: FeatureView, history: pl.DataFrame, captured: pl.DataFrame) -> pl.DataFrame:
    """Unite events of the lakehouse with captured ones, each from the `known_at` on that it was captured with.

    Of an event that was captured, the versions of `history` count only if they became known later than it was captured,
    and have its event time. One row per version of an event: the view's input columns and `is_captured`; a view without
    event times sees what was captured alone.
    """
    key, time = view.id_column, view.event_timestamp
    history = history.select(view.input_columns)
    mine = captured.select(view.input_columns).with_columns(pl.lit(value=True).alias(IS_CAPTURED))
    if time is None:
        return mine
    first = captured.select(key, time, KNOWN_AT).unique(key, keep="first", maintain_order=True)
    both = history.join(first, on=key, how="left", suffix="_captured")
    is_correction = (pl.col(KNOWN_AT) > pl.col(f"{KNOWN_AT}_captured")) & (
        pl.col(time) == pl.col(f"{time}_captured")
    )
    others = both.filter(pl.col(f"{KNOWN_AT}_captured").is_null() | is_correction).select(view.input_columns)
    events = pl.concat([others.with_columns(pl.lit(value=False).alias(IS_CAPTURED)), mine])
    return events.sort(time, key, KNOWN_AT)
