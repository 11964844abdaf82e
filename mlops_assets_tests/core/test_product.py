"""A product: its reader reads what is declared, and its model sees what is declared."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.product import Product, Reader, SourceContext
from mlops_assets_tests.support.homes.small_home import small_product

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)


def told(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """What a reader was told."""
    return pl.DataFrame(
        {"file": [str(context.file())], "cache": [str(context.cache)], "start": [start], "end": [end]}
    )


def product_of(path: str | None) -> Product:
    product = small_product(source={"kind": "parquet", "path": path, "options": {}})
    return replace(product, readers={"parquet": Reader(told, told)}, folder=Path("/products/shop"))


@pytest.mark.parametrize(
    ("path", "file"),
    [
        (None, "/products/shop"),
        ("rows.parquet", "/products/shop/rows.parquet"),
        ("/data/rows.parquet", "/data/rows.parquet"),
    ],
)
def test_a_relative_path_lies_in_the_products_folder(path: str | None, file: str) -> None:
    rows = product_of(path).read_events(cache=Path("/cache"), start=START, end=END)
    assert rows.to_dicts() == [{"file": file, "cache": "/cache", "start": START, "end": END}]
    assert product_of(path).read_labels(cache=Path("/cache"))["start"].to_list() == [None]


def test_a_source_that_nobody_reads_is_named_with_those_there_are() -> None:
    with pytest.raises(
        ProductSpecError, match=r"source\.kind is 'kafka', but dataset\.py has parquet, simulator"
    ):
        _ = small_product(source={"kind": "kafka"}).reader


def test_a_model_sees_the_declared_features_in_the_views_order() -> None:
    names = load_product("fraud_detection").view.feature_names
    chosen = (names[3], names[0])
    assert small_product(model_features=chosen).model_features == (names[0], names[3])
    assert small_product(model_features=None).model_features == names


def test_features_of_a_variant_are_hidden_from_the_products_own_model() -> None:
    product = load_product("mortality_risk")
    extra = {name for variant in product.spec.variants for name in variant.extra_features}
    assert extra
    open_to_all = replace(product, spec=product.spec.model_copy(update={"model_features": None}))
    assert set(open_to_all.view.feature_names) - set(open_to_all.model_features) == extra
