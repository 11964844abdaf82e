"""Training sets and models: what was known by then, and what is said where that is too little."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product import Product, Reader, SourceContext
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FIRST_DAY,
    SmallHome,
)

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


def test_one_class_only_says_in_which_split_and_window(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home").with_product(
        lambda p: changed_reader(p, labels=lambda frame: frame.with_columns(is_fraud=pl.lit(0, pl.Int8)))
    )
    home.materialize("labels", days=(FIRST_DAY, date(2018, 5, 31)))
    with pytest.raises(
        TrainingError, match=r"split train has one class only, is_fraud = 0 in all of them: .*window"
    ):
        home.materialize("training_set", as_of=AS_OF)
    assert "training_set" not in home.table_versions()
