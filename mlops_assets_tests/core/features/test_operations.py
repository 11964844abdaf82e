"""The operations of row expressions: what each takes, and what it says to a value that it does not know."""

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.operations import OPERATIONS, as_operand_column, category_index, is_kind
from mlops_assets_tests.support.features.expressions import OF_NUMBERS, OF_OTHERS, SEE_NULL


def test_the_definition_that_tests_compare_with_knows_every_operation() -> None:
    assert set(OPERATIONS) == {*OF_NUMBERS, *OF_OTHERS, *SEE_NULL}
    assert {name for name, operation in OPERATIONS.items() if operation.sees_null} == set(SEE_NULL)


@pytest.mark.parametrize(
    ("dtype", "kinds"),
    [
        (pl.Int8(), {"any", "number"}),
        (pl.Float64(), {"any", "number"}),
        (pl.Boolean(), {"any", "number"}),
        (pl.String(), {"any", "text"}),
        (pl.Datetime("us", "UTC"), {"any", "timestamp"}),
        (pl.Date(), {"any"}),
        (pl.Null(), {"any", "number", "text", "timestamp"}),
    ],
)
def test_a_column_fits_the_kinds_that_its_type_can_be(dtype: pl.DataType, kinds: set[str]) -> None:
    assert {kind for kind in ("any", "number", "text", "timestamp") if is_kind(dtype, kind)} == kinds  # pyright: ignore


def test_operands_are_numbers_of_64_bits_and_times_in_utc() -> None:
    berlin = pl.Series(["2026-03-01T00:30"]).str.to_datetime(time_unit="us", time_zone="Europe/Berlin")
    frame = pl.DataFrame({"n": pl.Series([1], dtype=pl.Int8), "t": berlin, "s": ["a"]})
    found = frame.select(
        as_operand_column(pl.col("n"), "number"),
        as_operand_column(pl.col("t"), "timestamp"),
        as_operand_column(pl.col("s"), "text"),
    )
    assert found.schema == {"n": pl.Float64, "t": pl.Datetime("us", "UTC"), "s": pl.String}
    assert found["t"].dt.hour().item() == 23


def test_a_category_is_its_place_and_an_unknown_one_is_named_with_those_declared() -> None:
    assert [category_index(text, ("red", "green")) for text in ("red", "green")] == [0, 1]
    with pytest.raises(FeatureError, match="unknown category 'blue', declared are red, green"):
        category_index("blue", ("red", "green"))
