"""A product as the platform sees it: the declaration and the Python objects of its folder, bundled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pandera.polars as pa
import polars as pl

from mlops_assets.core.declared.monitors import Monitors
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.features.expressions import Expression
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.product_spec import ProductSpec, Source
from mlops_assets.core.wheel_source import WheelFile


@dataclass(frozen=True)
class SourceContext:
    """What a reader may know: its declaration, the product folder and the download cache."""

    source: Source
    folder: Path
    cache: Path

    def file(self) -> Path:
        """The declared path, taken from the product folder when relative."""
        return (self.folder / self.source.path) if self.source.path else self.folder


@dataclass(frozen=True)
class RawData:
    """A small pair of raw tables, as the readers would give them."""

    events: pl.DataFrame
    labels: pl.DataFrame


class ReadFrame(Protocol):
    """Reads [start, end) UTC of a source, or all of it for a cohort (both None).

    Raises: SourceError when the source is missing or unreadable. Wrong columns, types and values are not its concern:
    the contract judges them.
    """

    def __call__(
        self, context: SourceContext, *, start: datetime | None, end: datetime | None
    ) -> pl.DataFrame:
        """Read the rows of [start, end)."""
        ...


class LookAtDays(Protocol):
    """Says without reading all rows what a source has of the days of [start, end): see `look_at_days`.

    One row per UTC day that has rows: `day`, `rows`, and `newest_known_at`. Days are those of the reader's own rows: of
    `event_timestamp` for events, of `known_at` for labels.
    """

    def __call__(
        self, context: SourceContext, *, start: datetime | None, end: datetime | None
    ) -> pl.DataFrame:
        """Look at the days of [start, end)."""
        ...


@dataclass(frozen=True)
class Reader:
    """The two feeds of a source.

    events: rows as the source has them; with a time axis those whose `event_timestamp` is in [start, end), and with a
    column `known_at` (UTC), when the platform could know the row.
    labels: one row per outcome and time it became known: the id column and the label column; with a time axis also
    `event_timestamp` (of the event) and `known_at`, and those rows whose `known_at` is in [start, end). A corrected
    outcome is a further row with a later `known_at`. A corrected event is a further row, too: same id, same time.
    look_at_events, look_at_labels: cheap looks at days that were read before; without one these days are read again and
    compared row by row. A look does not see a row that changed while its day's count and newest `known_at` stayed.
    """

    events: ReadFrame
    labels: ReadFrame
    fetches: tuple[WheelFile, ...] = ()
    """Files that are fetched into the cache when they are first read."""
    look_at_events: LookAtDays | None = None
    look_at_labels: LookAtDays | None = None


@dataclass(frozen=True)
class Product:
    """One product folder, loaded: `spec` from defs.yaml, the rest from its Python modules."""

    spec: ProductSpec
    folder: Path
    event_schema: type[pa.DataFrameModel]
    """schemas.py `EventSchema`: the contract of raw events; fields with metadata {"outcome": True} never leave them."""
    readers: Mapping[str, Reader]
    """dataset.py `SOURCES`: reader by `source.kind`."""
    sample: Callable[[int], RawData]
    """dataset.py `sample(seed)`: a small valid RawData for tests, seeded, without network."""
    view: FeatureView
    """features.py `VIEW`."""
    baselines: Mapping[str, Expression]
    """features.py `BASELINES`: score of a product-specific baseline by name, over columns of events and features."""
    monitors: Monitors = field(default_factory=dict)
    """monitors.py `MONITORS`: what its windows are watched for besides what every product's are; none without it."""

    @property
    def name(self) -> str:
        """The product's name, first part of every asset key."""
        return self.spec.name

    def read_events(
        self, *, cache: Path, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """Read raw events of the declared source."""
        return self.reader.events(self.context(cache), start=start, end=end)

    def read_labels(
        self, *, cache: Path, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """Read labels of the declared source, by the time at which they became known."""
        return self.reader.labels(self.context(cache), start=start, end=end)

    def context(self, cache: Path) -> SourceContext:
        """What the reader of the declared source is told."""
        return SourceContext(source=self.spec.source, folder=self.folder, cache=cache)

    @property
    def reader(self) -> Reader:
        """The reader of the declared source.

        Raises: ProductSpecError when dataset.py has none of that kind.
        """
        kind = self.spec.source.kind
        if kind not in self.readers:
            raise ProductSpecError(
                f"{self.name}: source.kind is {kind!r}, but dataset.py has {', '.join(sorted(self.readers))}"
            )
        return self.readers[kind]

    @property
    def model_features(self) -> tuple[str, ...]:
        """Features that the product's own model sees, in the view's order."""
        chosen = self.spec.model_features
        hidden = {name for variant in self.spec.variants for name in variant.extra_features}
        names = self.view.feature_names
        return tuple(n for n in names if (n in chosen if chosen is not None else n not in hidden))
