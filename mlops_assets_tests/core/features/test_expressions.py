"""Row expressions: a frame and a row give the same bits, and what cannot be computed says why."""

import struct
from datetime import UTC, datetime, timedelta

import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import Expression, col, literal, maximum, minimum

TYPES = {
    "x": pl.Float64, "y": pl.Float64, "n": pl.Int64, "b": pl.Boolean, "t": pl.Datetime("us", "UTC"), "s": pl.String
}  # fmt: skip
EPOCH = datetime(2024, 3, 31, tzinfo=UTC)
CATEGORIES = ("red", "green", "ß")
special = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 49.0, 1e308, 5e-324]
floats = st.sampled_from(special) | st.floats()
rows = st.fixed_dictionaries(
    {
        "x": st.none() | floats,
        "y": st.none() | floats,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
        "b": st.none() | st.booleans(),
        "t": st.none() | st.integers(-(10**15), 10**15).map(lambda us: EPOCH + timedelta(microseconds=us)),
        "s": st.none() | st.sampled_from(CATEGORIES),
    }
)
constants = st.sampled_from([0, 1, -0.0, 3, 49, 0.1, -7.5, 1e300])
leaves = st.one_of(
    st.sampled_from(["x", "y", "n", "b"]).map(col),
    constants.map(literal),
    st.builds(lambda start, end: col("t").hour_between(start, end), st.integers(0, 24), st.integers(0, 24)),
    st.sampled_from(
        [
            col("t").is_weekend(),
            col("t").is_null(),
            col("s").is_null(),
            col("s").category(CATEGORIES),
            col("s").fill_null("green").category(CATEGORIES),
            col("s") == "red",
            col("s") != "red",
        ]
    ),
)
BINARY = (
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a < b,
    lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b, lambda a, b: a == b, lambda a, b: a != b,
    lambda a, b: a & b, lambda a, b: a | b, minimum, maximum,
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda apply, a, b: apply(a, b), st.sampled_from(BINARY), inner, inner),
        st.builds(lambda a: a.is_null(), inner),
        st.builds(lambda a: a.cast_float(), inner),
        st.builds(lambda a, value: a.fill_null(value), inner, constants),
        st.builds(lambda a, low, high: a.clip(low, high), inner, constants, constants),
    ),
    max_leaves=6,
)


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else value


@settings(max_examples=500, deadline=None)
@given(expressions, st.lists(rows, min_size=1, max_size=5))
def test_a_frame_and_its_rows_give_the_same_bits(expression: Expression, records: list[dict]):
    series = expression.over(pl.DataFrame(records, schema=TYPES))
    expected = [expression.evaluate(record) for record in records]
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
    assert expression.evaluate(row) == value
    frame = pl.DataFrame([row])
    assert expression.over(frame).to_list() == [value]
    no_nan = frame.with_columns(cs.float().fill_nan(None))
    assert no_nan.select(expression.to_polars()).to_series().to_list() == [value]


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
def test_what_cannot_be_computed_is_refused_in_both_forms(expression: Expression, row: dict, words: str):
    with pytest.raises(FeatureError, match=words):
        expression.evaluate(row)
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
