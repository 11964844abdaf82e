"""How two column layouts differ: as data and as text."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.contracts.schema_difference import schema_difference

layouts = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([pl.Int64(), pl.Float64(), pl.String()]))


@given(layouts, layouts)
def test_every_column_is_equal_new_missing_or_retyped(found: dict, expected: dict) -> None:
    difference = schema_difference(found, expected)
    equal = {name for name in found if expected.get(name) == found[name]}
    parts = [set(difference.new), set(difference.missing), set(difference.retyped), equal]
    assert sorted(name for part in parts for name in part) == sorted(found | expected)
    assert bool(difference) == (found != expected)
    assert all(difference.retyped[name] == (expected[name], found[name]) for name in difference.retyped)


def test_the_order_of_columns_is_no_difference() -> None:
    assert not schema_difference({"a": pl.Int8(), "b": pl.Int8()}, {"b": pl.Int8(), "a": pl.Int8()})


def test_the_text_has_one_line_per_column_new_ones_first() -> None:
    difference = schema_difference(
        {"amount": pl.String(), "size": pl.Int32()}, {"amount": pl.Float64(), "colour": pl.String()}
    )
    assert difference.describe().splitlines() == [
        "  new column size: Int32",
        "  missing column colour: expected String",
        "  retyped column amount: expected Float64, found String",
    ]
