"""A reader that changes or adds to what a product's own reader gives."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import polars as pl

from mlops_assets.core.product import Product, Reader, SourceContext

Change = Callable[[pl.DataFrame], pl.DataFrame]


def changed_reader(
    product: Product, *, events: Change = lambda frame: frame, labels: Change = lambda frame: frame
) -> Product:
    """The same product with a reader of the user's own, which changes what it reads."""
    kind = product.spec.source.kind
    reader = product.readers[kind]

    def read_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        return events(reader.events(context, start=start, end=end))

    def read_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        return labels(reader.labels(context, start=start, end=end))

    return replace(product, readers={kind: Reader(read_events, read_labels)})


def arriving(
    product: Product, *, events: pl.DataFrame | None = None, labels: pl.DataFrame | None = None
) -> Product:
    """The same product whose source holds further rows: events by their event time, labels by `known_at`."""
    kind = product.spec.source.kind
    reader = product.readers[kind]

    def read_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        read = reader.events(context, start=start, end=end)
        return read if events is None else _united(read, events, "event_timestamp", start, end)

    def read_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
        read = reader.labels(context, start=start, end=end)
        return read if labels is None else _united(read, labels, "known_at", start, end)

    return replace(product, readers={kind: Reader(read_events, read_labels)})


def _united(
    read: pl.DataFrame, further: pl.DataFrame, time: str, start: datetime | None, end: datetime | None
) -> pl.DataFrame:
    assert start is not None
    assert end is not None
    mine = further.filter(pl.col(time) >= start, pl.col(time) < end)
    return pl.concat([read, mine.select(read.columns).cast(dict(read.schema))])
