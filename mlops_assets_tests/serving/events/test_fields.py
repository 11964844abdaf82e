"""The type of a request's field judges what the contract's checks judge, to the last value."""

from typing import Any

import msgspec
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.contracts.row_failures import judge_check
from serving.events.fields import EventField, event_field

BOUNDS = (
    pa.Check.ge, pa.Check.gt, pa.Check.le, pa.Check.lt,
    lambda value: pa.Check.in_range(value, value + 3),
    lambda value: pa.Check.in_range(value, value + 3, include_min=False, include_max=False),
)  # fmt: skip


def field(dtype: Any, *checks: pa.Check) -> EventField:
    found = event_field(pa.Column(dtype, list(checks)))
    assert found is not None
    return found


def takes(one: EventField, value: object) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=one.kind)
    except msgspec.ValidationError:
        return False
    return True


def holds(value: object, dtype: Any, check: pa.Check) -> bool:
    return bool(judge_check(pl.DataFrame({"x": pl.Series([value], dtype=dtype)}), check, "x")[0])


@settings(deadline=None)
@given(
    st.sampled_from(BOUNDS),
    st.integers(-5, 5) | st.floats(-5, 5).map(lambda x: round(x, 2)),
    st.integers(-10, 10),
)
def test_whole_numbers_are_limited_exactly_as_the_check_does(bound: Any, limit: float, value: int) -> None:
    check = bound(limit)
    one = field(pl.Int64, check)
    assert takes(one, value) == holds(value, pl.Int64, check) or one.left


@settings(deadline=None)
@given(st.sampled_from(BOUNDS), st.floats(-5, 5), st.data())
def test_numbers_are_limited_exactly_as_the_check_does(bound: Any, limit: float, data: st.DataObject) -> None:
    value = data.draw(st.just(limit) | st.floats(-10, 10))
    check = bound(limit)
    one = field(pl.Float64, check)
    assert takes(one, value) == holds(value, pl.Float64, check) or one.left


@pytest.mark.parametrize(
    ("dtype", "value", "is_taken"),
    [
        (pl.Int8, 127, True),
        (pl.Int8, 128, False),
        (pl.UInt8, -1, False),
        (pl.Int64, 1.5, False),
        (pl.Float64, 1, True),
        (pl.Float32, 3.4e38, True),
        (pl.Float32, 3.5e38, False),
        (pl.Boolean, True, True),
        (pl.Boolean, 1, False),
        (pl.Enum(["red"]), "red", True),
        (pl.Enum(["red"]), "blue", False),
        (pl.Datetime("us", "UTC"), "2026-03-01T00:00:00Z", True),
        (pl.Datetime("us", "UTC"), "2026-03-01T00:00:00", False),
        (pl.String, "x" * 1000, True),
        (pl.String, "x" * 1001, False),
    ],
    ids=str,
)
def test_a_value_fits_its_columns_type(dtype: Any, value: object, is_taken: bool) -> None:
    assert takes(field(dtype), value) is is_taken


@pytest.mark.parametrize(
    ("checks", "value", "is_taken"),
    [
        ([pa.Check.isin(["a", "b"])], "b", True),
        ([pa.Check.isin(["a", "b"])], "c", False),
        ([pa.Check.isin(["a", "b"]), pa.Check.isin(["b", "c"])], "a", False),
        ([pa.Check.str_length(2, 3)], "abc", True),
        ([pa.Check.str_length(2, 3)], "abcd", False),
        ([pa.Check.str_length(max_value=2000)], "x" * 1500, True),
        ([pa.Check.isin(["abc", "a"]), pa.Check.str_length(max_value=1)], "abc", False),
    ],
)
def test_a_text_is_one_of_those_allowed_and_as_long_as_it_may_be(
    checks: list[pa.Check], value: str, is_taken: bool
) -> None:
    one = field(pl.String, *checks)
    assert (takes(one, value), one.left) == (is_taken, ())


def test_what_no_type_can_judge_is_left_for_the_contract() -> None:
    own = pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) % 2 == 0))
    assert field(pl.Int64, pa.Check.ge(0), own).left == (own,)
    narrow = field(pl.Float32, pa.Check.ge(0.1))
    assert (len(narrow.left), narrow.is_narrow) == (1, True)
    nothing = field(pl.Int64, pa.Check.ge(5), pa.Check.le(3))
    assert len(nothing.left) == 2


def test_a_column_that_no_request_carries_has_no_field() -> None:
    assert event_field(pa.Column(pl.List(pl.Int64))) is None
