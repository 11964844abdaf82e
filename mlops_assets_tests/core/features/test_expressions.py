"""Row expressions: a frame gives what their definition says, and what cannot be computed says why."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import Expression, col, literal, maximum, minimum
from mlops_assets_tests.support.features.expressions import TYPES, bits, expressions, rows, value_of


@settings(max_examples=500, deadline=None)
@given(expressions, st.lists(rows, min_size=1, max_size=5))
def test_a_frame_gives_the_bits_of_the_definition_over_each_of_its_rows(
    expression: Expression, records: list[dict]
):
    series = expression.over(pl.DataFrame(records, schema=TYPES))
    expected = [value_of(expression, record) for record in records]
    assert series.dtype == expression.dtype
    assert [bits(value) for value in series.to_list()] == [bits(value) for value in expected]


@pytest.mark.parametrize(
    ("expression", "row", "value"),
    [
        (col("x") / 49, {"x": 49.0}, 1.0),
        (literal(1) / col("x"), {"x": -0.0}, -float("inf")),
        (col("x") / col("x"), {"x": 0.0}, None),
        (10 - col("x"), {"x": 4}, 6.0),
        ((col("x") > 0) & (col("y") > 0), {"x": 0, "y": None}, None),
        ((col("x") > 0) | (col("y") > 0), {"x": 1, "y": -1}, 1),
        (col("x").is_null(), {"x": float("nan")}, 1),
        (col("x").clip(0, 1), {"x": 7}, 1.0),
        (minimum(col("x"), 3), {"x": None}, None),
        (col("t").is_weekend(), {"t": datetime(2024, 3, 31, tzinfo=UTC)}, 1),
        (col("t").hour_between(0, 7), {"t": datetime(2024, 3, 31, 6, 59, 59, tzinfo=UTC)}, 1),
        (col("t").hour_between(0, 7), {"t": datetime(2024, 3, 31, 7, tzinfo=UTC)}, 0),
        (col("s").category(("a", "b")), {"s": "b"}, 1),
        (col("n"), {"n": 3}, 3.0),
    ],
)
def test_each_operation_means_what_it_says(expression: Expression, row: dict, value: object):
    assert value_of(expression, row) == value
    assert expression.over(pl.DataFrame([row])).to_list() == [value]


@pytest.mark.parametrize(
    ("expression", "row", "words"),
    [
        (col("s").category(("a", "b")), {"s": "c"}, "unknown category 'c'"),
        (col("missing") + 1, {"x": 1.0}, "no column missing"),
        (col("s") + 1, {"s": "1.5"}, "number"),
        (col("s"), {"s": "1.5"}, "number"),
        (col("x").is_weekend(), {"x": 1.0}, "timestamp"),
        (col("x") == "red", {"x": 1.0}, "text"),
    ],
)
def test_what_cannot_be_computed_is_refused(expression: Expression, row: dict, words: str):
    with pytest.raises(FeatureError, match=words):
        expression.over(pl.DataFrame([row]))


def test_a_chained_comparison_is_refused_instead_of_dropping_its_first_half():
    with pytest.raises(FeatureError, match="combine flags with &"):
        _ = 0 < col("x") < 5


@pytest.mark.parametrize(
    "build", [lambda: literal(float("nan")), lambda: col("x") + None, lambda: col("s") < "a"]
)
def test_what_has_no_meaning_is_refused_when_written(build):
    with pytest.raises(FeatureError):
        build()


def test_an_expression_names_the_columns_it_reads():
    assert (minimum(col("a"), 1) + col("b") / col("a")).columns() == {"a", "b"}


def test_an_expression_reads_as_it_was_written():
    assert str((col("a") + 1) / maximum(col("b"), 2)) == "((a + 1) / maximum(b, 2))"
