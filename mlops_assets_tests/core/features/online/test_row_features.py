"""Row features as the online executor compiles them, against their definition over one row."""

from collections.abc import Mapping
from math import isinf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_assets.core.errors import InvalidEventError
from mlops_assets.core.features.expressions import Expression, col
from mlops_assets.core.features.online.row_features import EventReader, compile_row_features
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.expressions import bits, expressions, rows, value_of


def computed(features: list[Expression], event: Mapping[str, object], windows: Mapping[str, float | None]):
    """The features of an event, `windows` standing behind them."""
    reader = EventReader()
    places = {name: len(features) + at for at, name in enumerate(windows)}
    row_features = compile_row_features(dict(enumerate(features)), reader, places)
    values = [None] * len(features) + list(windows.values())
    row_features(reader.read(event), values)
    return values[: len(features)]


@settings(max_examples=500, deadline=None)
@given(st.lists(expressions, min_size=1, max_size=4), rows)
def test_compiled_row_features_have_the_bits_of_their_definition(features: list[Expression], row: dict):
    assume(not any(isinstance(value, float) and isinf(value) for value in row.values()))
    event = row | {"t": None if row["t"] is None else as_microseconds(row["t"])}
    expected = [value_of(feature, row) for feature in features]
    found = computed(features, event, {})
    assert [bits(value) for value in found] == [
        bits(None if value is None else float(value)) for value in expected
    ]


@pytest.mark.parametrize(
    ("feature", "x", "value"),
    [
        (col("x") / 0, 1.0, float("inf")),
        (col("x") / -0.0, 1.0, -float("inf")),
        (col("x") / 0, 0.0, None),
        (col("x") * 10 - col("x") * 10, 1e308, None),
        ((col("x") * 10 - col("x") * 10).is_null(), 1e308, 1.0),
        (col("x") * 10, 1e308, float("inf")),
    ],
)
def test_divisions_by_zero_and_what_is_no_number_are_those_of_the_definition(feature, x, value):
    assert computed([feature], {"x": x}, {}) == [value]
    assert value_of(feature, {"x": x}) == value


def test_a_window_feature_is_meant_where_a_column_has_its_name_too():
    features = [col("x") / col("w"), col("w").is_null()]
    assert computed(features, {"x": 3.0, "w": 9.0}, {"w": 2.0}) == [1.5, 0.0]
    assert computed(features, {"x": 3.0, "w": 9.0}, {"w": None}) == [None, 1.0]


def test_a_column_whose_name_reads_like_an_expression_is_a_column():
    name = "(x + 1)"
    assert computed([col(name), col("x") + 1], {name: 7.0, "x": 1.0}, {}) == [7.0, 2.0]


@pytest.mark.parametrize("text", ["__import__('os')", "x\n", "{0}", "'"])
def test_text_of_a_declaration_never_becomes_source(text: str):
    features = [col(text), col("s") == text, col("s").fill_null(text).category((text,))]
    assert computed(features, {text: 2.0, "s": text}, {}) == [2.0, 1.0, 0.0]
    with pytest.raises(InvalidEventError, match="must be one of"):
        computed(features, {text: 2.0, "s": "other"}, {})
