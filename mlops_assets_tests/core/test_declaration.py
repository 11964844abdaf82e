"""A declaration that cannot work is refused with file and line: types, checks, settings, names."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.model_config import BaseConfig

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.core.contracts.contract import describe_columns
from mlops_assets.core.contracts.names import OWN_NAMES, problem_with
from mlops_assets.core.declaration import check_declaration, contract_problems
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.product import Product
from mlops_assets.core.times import UTC_TIME
from mlops_assets_tests.support.homes.small_home import SmallHome

BASE: dict[str, tuple[Any, dict[str, Any]]] = {
    "order_id": (pl.Int64, {}),
    "event_timestamp": (UTC_TIME, {}),
    "known_at": (UTC_TIME, {}),
    "customer_id": (pl.Int64, {}),
    "amount": (pl.Float64, {"ge": 0}),
}


def schema(
    *, config: dict[str, Any] | None = None, **changes: tuple[Any, dict[str, Any]]
) -> type[pa.DataFrameModel]:
    columns = {**BASE, **changes}
    content: dict[str, Any] = {name: pa.Field(**checks) for name, (_, checks) in columns.items()}
    content["__annotations__"] = {name: dtype for name, (dtype, _) in columns.items()}
    if config:
        content["Config"] = type("Config", (BaseConfig,), config)
    return type("Drawn", (pa.DataFrameModel,), content)


def product(contract: type[pa.DataFrameModel], *features: str, **spec: Any) -> Product:
    fraud = load_product("fraud_detection")
    window = WindowFeature("count_{window}", "events", "customer_id", "count", (timedelta(1),), "Orders.")
    rows = tuple(RowFeature(name, col("amount"), "The amount.") for name in features or ("size",))
    view = FeatureView("drawn", "order_id", "event_timestamp", (window, *rows))
    evaluation = fraud.spec.evaluation.model_copy(update={"slices": (), "group_column": None})
    changes = {"id_column": "order_id", "entities": ("customer_id",), "evaluation": evaluation, **spec}
    return replace(fraud, event_schema=contract, view=view, spec=fraud.spec.model_copy(update=changes))


@pytest.mark.parametrize("name", product_names())
def test_the_products_are_well_declared(name: str) -> None:
    check_declaration(load_product(name))
    check_declaration(product(schema()))


@pytest.mark.parametrize(
    ("column", "dtype", "checks", "told"),
    [
        ("amount", pl.Date, {}, "amount is needed .* of type Date, which no request carries"),
        ("amount", pl.Decimal(10, 2), {}, "which no request carries"),
        ("amount", pl.List(pl.Int64), {}, "which no request carries"),
        ("amount", pl.Datetime("ns", "UTC"), {}, "which no request carries"),
        ("amount", pl.Float64, {"metadata": {"outcome": True}}, "amount is needed .* an outcome"),
        ("length", pl.Duration, {}, "length has type Duration.*; store a number"),
        ("at", pl.Time, {}, "store seconds since midnight"),
        ("order_id", pl.Float64, {}, "order_id is the id: a whole number or a text"),
        ("order_id", pl.Int64, {"nullable": True}, "order_id is the id: .* never null"),
        ("known_at", UTC_TIME, {"nullable": True}, "known_at must have the type .* and never be null"),
        ("event_timestamp", pl.Datetime("us"), {}, "event_timestamp must have the type"),
        ("colour", pl.String, {"isin": ["a", 1]}, "colour: check isin.* cannot be judged"),
        ("size", pl.Int64, {"str_matches": "a"}, "size: check str_matches.* cannot be judged"),
        (
            "died",
            pl.Int64,
            {"unique": True, "metadata": {"outcome": True}},
            "cannot be unique among all events",
        ),
        ("amount", pl.Float64, {"coerce": True}, "amount: coerce"),
        ("amount", pl.Float64, {"default": 1.0}, "amount: default: a missing value stays missing"),
        ("score", pl.Float64, {}, "score is a column of the platform's own"),
        ("event_date", pl.Date, {}, "event_date is a column of the platform's own"),
        ("Amount", pl.Float64, {}, "Amount and amount differ in case only"),
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused(
    column: str, dtype: Any, checks: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProductSpecError, match=told) as caught:
        check_declaration(product(schema(**{column: (dtype, checks)})))
    assert all(line.split(":")[1].isdigit() for line in str(caught.value).splitlines())


def test_a_column_that_no_feature_reads_may_have_any_type_that_a_table_holds() -> None:
    check_declaration(product(schema(born=(pl.Date, {}), price=(pl.Decimal(10, 2), {"nullable": True}))))


def test_a_contract_that_changes_values_is_refused() -> None:
    assert "coerce" in contract_problems(product(schema(config={"coerce": True})))[0][1]


@pytest.mark.parametrize(
    "name", [*sorted(OWN_NAMES), "a b", 'a"b', "a[b]", "a{b}", "a:b", "a,b", "a\tb", "__a", "known_at2="]
)
def test_a_feature_or_a_label_has_no_name_of_the_platform_or_one_that_a_library_refuses(name: str) -> None:
    assert problem_with(name)
    with pytest.raises(ProductSpecError, match=r"features\.py"):
        check_declaration(product(schema(), name))
    label = load_product("fraud_detection").spec.label.model_copy(update={"column": name})
    with pytest.raises(ProductSpecError, match=r"defs\.yaml"):
        check_declaration(product(schema(), label=label))


def test_names_that_stand_beside_each_other_differ() -> None:
    with pytest.raises(ProductSpecError, match="has the name of the id or of the event's time"):
        check_declaration(product(schema(), "order_id"))
    with pytest.raises(ProductSpecError, match=r"size and Size differ in case only|Size and size differ"):
        check_declaration(product(schema(), "size", "Size"))


def test_a_slice_of_a_column_that_is_not_there_is_refused() -> None:
    evaluation = load_product("fraud_detection").spec.evaluation
    with pytest.raises(
        ProductSpecError, match=r"evaluation.slices: is_weekend: neither an event's column nor"
    ):
        check_declaration(product(schema(), evaluation=evaluation))


def test_the_problem_is_named_with_the_line_of_the_contract(tmp_path: Path) -> None:
    fraud = load_product("fraud_detection")
    with pytest.raises(ProductSpecError) as caught:
        check_declaration(replace(fraud, spec=fraud.spec.model_copy(update={"id_column": "amount_usd"})))
    lines = (fraud.folder / "schemas.py").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.strip().startswith("amount_usd:"))
    assert f"schemas.py:{number}: amount_usd is the id" in str(caught.value)


READS: dict[str, Callable[[Product], set[str]]] = {
    "raw_events": lambda p: {doc.name for doc in describe_columns(p.event_schema)},
    "features": lambda p: set(p.view.feature_names),
    "label": lambda p: {p.spec.label.column},
}


def test_every_column_that_the_platform_adds_is_in_the_list(released_home: SmallHome) -> None:
    home = released_home
    declared = set[str]().union(*(read(home.product) for read in READS.values()))
    for table in (
        "raw_events",
        "events",
        "rejected_events",
        "labels",
        "features",
        "training_set",
        "predictions",
        "outcomes",
    ):
        added = set(home.read(table).columns) - declared
        assert added <= OWN_NAMES | {"event_timestamp", "known_at"}, (table, added - OWN_NAMES)
