"""In which form a request carries a column."""

import pandera.polars as pa
import polars as pl
import pytest

from mlops_assets.core.contracts.carried import WHOLE_BOUNDS, carried_as, limits_length


@pytest.mark.parametrize(
    ("dtype", "form"),
    [
        *((kind(), "whole") for kind in WHOLE_BOUNDS),
        (pl.Float32(), "number"),
        (pl.Float64(), "number"),
        (pl.String(), "text"),
        (pl.Enum(["a"]), "text"),
        (pl.Categorical(), "text"),
        (pl.Boolean(), "truth"),
        (pl.Datetime("us", "UTC"), "time"),
        (pl.Datetime("ms", "UTC"), None),
        (pl.Datetime("us"), None),
        (pl.Date(), None),
        (pl.List(pl.Int64), None),
        (None, None),
    ],
    ids=str,
)
def test_a_type_is_carried_in_one_form_or_not_at_all(dtype: pl.DataType | None, form: str | None) -> None:
    assert carried_as(dtype) == form


@pytest.mark.parametrize("kind", [kind for kind in WHOLE_BOUNDS if kind != pl.UInt64], ids=str)
def test_bounds_are_those_of_the_type(kind: type[pl.DataType]) -> None:
    low, high = WHOLE_BOUNDS[kind]
    assert pl.Series([low, high], dtype=kind).to_list() == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises((OverflowError, TypeError, pl.exceptions.PolarsError)):
            pl.Series([beyond], dtype=kind, strict=True)


@pytest.mark.parametrize(
    ("check", "is_limited"),
    [
        (pa.Check.str_length(max_value=5), True),
        (pa.Check.str_length(exact_value=5), True),
        (pa.Check.str_length(min_value=5), False),
        (pa.Check.isin(["a"]), True),
        (pa.Check.str_startswith("a"), False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_text_is_limited_by_a_length_or_by_the_texts_that_are_allowed(
    check: pa.Check, is_limited: bool
) -> None:
    assert limits_length(pa.Column(pl.String, check)) is is_limited
    assert not limits_length(pa.Column(pl.String))
