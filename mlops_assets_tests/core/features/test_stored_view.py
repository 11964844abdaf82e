"""A stored view is the view: same digest, same values; what cannot be read exactly is refused."""

import json
from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.expressions import Expression, col, literal, maximum, minimum
from mlops_assets.core.features.stored_view import (
    DEEPEST_EXPRESSION,
    FORMAT_VERSION,
    LARGEST_TEXT,
    view_from_json,
    view_to_json,
)
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature

NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans())
TEXTS = st.text(max_size=8)
TEXT_LEAVES = st.one_of(TEXTS.map(col), TEXTS.map(lambda text: col("t").fill_null(text)))
LEAVES = st.one_of(
    TEXTS.map(col),
    NUMBERS.map(literal),
    st.tuples(st.integers(0, 24), st.integers(0, 24)).map(lambda hours: col("at").hour_between(*hours)),
    st.lists(TEXTS, max_size=4).map(lambda values: col("kind").category(tuple(values))),
    st.just(col("at").is_weekend()),
    st.tuples(TEXT_LEAVES, TEXTS).map(lambda pair: pair[0] == pair[1]),
    st.tuples(TEXT_LEAVES, TEXTS).map(lambda pair: pair[0] != pair[1]),
)
BINARY = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a & b,
    lambda a, b: a | b,
    minimum,
    maximum,
)


def larger(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.tuples(st.sampled_from(BINARY), inner, inner).map(lambda x: x[0](x[1], x[2])),
        st.tuples(inner, NUMBERS).map(lambda x: x[0].fill_null(x[1])),
        inner.map(lambda x: x.is_null()),
        inner.map(lambda x: x.cast_float()),
        inner.map(lambda x: x.clip(-1.0, inf)),
    )


EXPRESSIONS = st.recursive(LEAVES, larger, max_leaves=12)
ROW_FEATURES = st.builds(
    RowFeature, name=TEXTS.map(lambda text: f"r{text}"), expression=EXPRESSIONS, description=TEXTS, unit=TEXTS
)
SECONDS = st.integers(1, 10**7).map(lambda seconds: timedelta(seconds=seconds))
WINDOW_FEATURES = st.builds(
    WindowFeature,
    name=TEXTS.map(lambda text: f"w{text}_{{window}}"),
    stream=st.just("events"),
    entity=st.just("key"),
    aggregation=st.sampled_from(("sum", "mean", "min", "max", "last")),
    windows=st.lists(SECONDS, min_size=1, max_size=3, unique=True).map(tuple),
    description=TEXTS,
    column=st.just("value"),
    delay=st.integers(0, 10**12).map(lambda micros: timedelta(microseconds=micros)),
    includes_current=st.booleans(),
    decimals=st.integers(0, 9),
    when_empty=st.one_of(st.none(), st.floats(allow_nan=False), st.integers(0, 9)),
    null_means=TEXTS,
)
VIEWS = st.builds(
    FeatureView,
    name=TEXTS,
    id_column=TEXTS,
    event_timestamp=st.just("at"),
    features=st.lists(
        st.one_of(ROW_FEATURES, WINDOW_FEATURES), min_size=1, max_size=3, unique_by=lambda f: f.name
    ).map(tuple),
)
VIEW = FeatureView(
    "small",
    "id",
    None,
    (RowFeature("large", (col("amount") > 5) & col("kind").category(("a", "b")), "Large"),),
)


@given(VIEWS)
def test_a_view_comes_back_the_same(view: FeatureView) -> None:
    text = view_to_json(view)
    again = view_from_json(text)
    assert again.digest == view.digest
    assert again.feature_names == view.feature_names
    assert view_to_json(again) == text
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("name", product_names())
def test_the_view_of_each_product_comes_back_the_same(name: str) -> None:
    view = load_product(name).view
    assert view_from_json(view_to_json(view)).digest == view.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format_version": 1', '"format_version": 2', "has format 2, readable is 1: a later version"),
        ('"format_version": 1', '"format_version": true', "has format True"),
        ('"operation": ">"', '"operation": "exec"', "unknown operation 'exec'"),
        ('"column": "amount"', '"python": "amount"', "unknown expression: python"),
        ('"column": "amount"', '"column": 5', "5 where a value of type str"),
        (
            '"operation": ">"',
            '"operation": "is_null"',
            "is_null 2 operands and 0 constants; it takes 1 and 0",
        ),
        ('"row"', '"column"', "feature of an unknown kind: column"),
        ('"unit": ""', '"units": ""', "missing or unknown keys: unit, units"),
        ('"constant": 5', '"constant": null', "None where a constant belongs"),
        ('"constant": 5', '"constant": {"number": "5"}', "the number '5'"),
    ],
)
def test_what_is_unknown_is_refused(old: str, new: str, said: str) -> None:
    text = view_to_json(VIEW)
    assert old in text
    with pytest.raises(FeatureError, match=said):
        view_from_json(text.replace(old, new))


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "[" * 100_000, '{"format_version": 1}', " " * (LARGEST_TEXT + 1)]
)
def test_what_is_no_view_is_refused(text: str) -> None:
    with pytest.raises(FeatureError):
        view_from_json(text)


def test_an_expression_may_be_deep_but_not_without_end() -> None:
    expression = col("a")
    for _ in range(DEEPEST_EXPRESSION):
        expression = expression + 1
    deep = FeatureView("deep", "id", None, (RowFeature("f", expression, ""),))
    assert view_from_json(view_to_json(deep)).digest == deep.digest
    deeper = replace(deep, features=(RowFeature("f", expression + 1, ""),))
    with pytest.raises(FeatureError, match=f"more than {DEEPEST_EXPRESSION} operations"):
        view_to_json(deeper)


def test_a_constant_that_would_change_is_refused() -> None:
    class Celsius(float):
        def __repr__(self) -> str:
            return f"{float(self)} degrees"

    odd = FeatureView("odd", "id", None, (RowFeature("f", col("a") + literal(Celsius(5.0)), ""),))
    with pytest.raises(FeatureError, match="cannot be stored exactly"):
        view_to_json(odd)
    assert FORMAT_VERSION == 1
