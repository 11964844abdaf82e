import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.slices import group_names, slice_rows
from mlops_assets.core.product_spec import Slice


def test_breaks_are_left_closed_and_nulls_are_a_group_of_their_own():
    ages = pl.DataFrame({"age_years": [39.9, 40.0, 59.0, 60.0, None, float("nan")]})
    names = group_names(ages, Slice(column="age_years", breaks=(40, 60)))
    assert names.to_list() == ["<40", "40–<60", "40–<60", "≥60", "missing", "missing"]


def test_numeric_groups_come_in_order_and_empty_ones_are_left_out():
    ages = pl.DataFrame({"age_years": [95, 5, 20, None]})
    found = slice_rows(ages, [Slice(column="age_years", breaks=(10, 40, 90))])
    assert [part.group for part in found] == ["<10", "10–<40", "≥90", "missing"]


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (["b", None, "a"], ["a", "b", "missing"]),
        ([True, False, None], ["false", "missing", "true"]),
        ([2, 1, 2], ["1", "2"]),
        ([1.5, float("nan"), 1.5], ["1.5", "missing"]),
    ],
)
def test_a_column_without_breaks_is_sliced_by_value(values, groups):
    found = slice_rows(pl.DataFrame({"col": values}), [Slice(column="col", is_sensitive=True)])
    assert [part.group for part in found] == groups
    assert all(part.is_sensitive for part in found)


@given(
    st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(float("nan"))), min_size=1, max_size=30),
    st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_every_row_is_in_exactly_one_group_of_a_slice(values, breaks):
    frame = pl.DataFrame({"col": pl.Series(values, dtype=pl.Float64, strict=False)})
    found = slice_rows(frame, [Slice(column="col", breaks=tuple(breaks))])
    rows = np.concatenate([part.rows for part in found])
    assert sorted(rows.tolist()) == list(range(len(values)))


def test_an_unknown_column_is_named_with_those_that_exist():
    with pytest.raises(EvaluationError, match=r"no column 'age'; they have age_years"):
        slice_rows(pl.DataFrame({"age_years": [1]}), [Slice(column="age")])


def test_breaks_on_text_are_refused():
    with pytest.raises(EvaluationError, match=r"'sex' is String, so it cannot have breaks"):
        slice_rows(pl.DataFrame({"sex": ["f"]}), [Slice(column="sex", breaks=(1,))])
