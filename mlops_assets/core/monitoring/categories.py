"""What the features of a product are by its own declaration: codes of categories, values as the source gave them."""

from collections.abc import Mapping

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.contract import polars_type
from mlops_assets.core.features.expressions import Applied, Column, Expression
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.product import Product
from mlops_assets.core.times import KNOWN_AT

_KEEPS_CODES = ("cast_float", "fill_null")


def category_features(product: Product) -> frozenset[str]:
    """Return the row features whose values have no order: `category(...)`, or a category column as it is.

    A column is a category when its contract says so by metadata {"category": True}, or is an Enum or Categorical, or a
    whole number that is one of a list (`isin`); {"category": False} says that such a list is of numbers.
    """
    columns = product.event_schema.to_schema().columns
    return frozenset(
        feature.name for feature in product.view.row_features if _is_category(feature.expression, columns)
    )


def features_as_given(view: FeatureView) -> frozenset[str]:
    """Return the row features that are made of an event's own values, and not of its time."""
    read = {feature.name: feature.expression.columns() for feature in view.row_features}
    return frozenset(name for name, columns in read.items() if not columns & {view.event_timestamp, KNOWN_AT})


def category_names(view: FeatureView) -> Mapping[str, tuple[str, ...]]:
    """Return the texts that a view's codes stand for, by feature and in the order of the codes from 0 on."""
    named = {feature.name: _without_casts(feature.expression) for feature in view.row_features}
    return {
        name: tuple(str(text) for text in one.arguments[0])
        for name, one in named.items()
        if isinstance(one, Applied) and one.operation == "category" and isinstance(one.arguments[0], tuple)
    }


def _without_casts(expression: Expression) -> Expression:
    while isinstance(expression, Applied) and expression.operation in _KEEPS_CODES:
        expression = expression.operands[0]
    return expression


def _is_category(expression: Expression, columns: dict[str, pa.Column]) -> bool:
    expression = _without_casts(expression)
    if isinstance(expression, Applied):
        return expression.operation == "category"
    return isinstance(expression, Column) and is_category_column(columns.get(expression.name))


def is_category_column(column: pa.Column | None) -> bool:
    """Say whether a contract declares a column's values to be categories."""
    if column is None:
        return False
    declared = (column.metadata or {}).get("category")
    if declared is not None:
        return bool(declared)
    dtype = polars_type(column)
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return True
    is_whole = dtype is not None and dtype.is_integer()
    return is_whole and any(check.name == "isin" for check in column.checks)
