"""Which rows break a contract, and why, in words."""

from datetime import UTC, datetime
from typing import Annotated

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.api.polars.model_config import BaseConfig

from mlops_assets.core.contracts.contract import (
    apply_contract,
)
from mlops_assets.core.errors import ContractError
from mlops_assets.core.times import UTC_TIME

NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)


class Sale(pa.DataFrameModel):
    sale_id: int = pa.Field(unique=True, ge=0)
    event_timestamp: Annotated[pl.Datetime, "us", "UTC"]
    amount_usd: float = pa.Field(ge=0, le=100, description="What was paid.", metadata={"unit": "USD"})
    discount: float = pa.Field(nullable=True, ge=0, metadata={"null_means": "none was given"})
    colour: str = pa.Field(isin=["red", "blue"], nullable=True, metadata={"pii": True})
    returned: pl.Int8 = pa.Field(isin=[0, 1], metadata={"outcome": True})

    class Config(BaseConfig):
        strict = True

    @pa.dataframe_check
    @classmethod
    def discount_below_amount(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("discount") <= pl.col("amount_usd"))


SCHEMA = {
    "sale_id": pl.Int64,
    "event_timestamp": UTC_TIME,
    "amount_usd": pl.Float64,
    "discount": pl.Float64,
    "colour": pl.String,
    "returned": pl.Int8,
}
SOUND = (1, NOON, 5.0, 1.0, "red", 0)


def frame(*rows: tuple) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def row(number: int, **changes: object) -> tuple:
    return tuple({**dict(zip(SCHEMA, SOUND, strict=True)), "sale_id": number, **changes}.values())


def judge(rows: pl.DataFrame, schema: type[pa.DataFrameModel] = Sale):
    return apply_contract(rows, schema, id_column="sale_id", subject="shop/events")


def test_a_rejected_row_carries_every_reason_in_order_of_rows() -> None:
    result = judge(
        frame(
            row(5, amount_usd=-3.0, colour="green"),
            row(4),
            row(3, event_timestamp=None, returned=2),
            row(-2, amount_usd=float("nan")),
            row(1, discount=6.0),
            row(6, amount_usd=None),
        )
    )
    assert result.accepted["sale_id"].to_list() == [4]
    assert dict(result.rejected.select("sale_id", "reasons").rows()) == {
        5: [
            "amount_usd: greater_than_or_equal_to(0), got -3.0",
            "colour: isin(['red', 'blue']), got green",
            "discount_below_amount",
        ],
        3: ["event_timestamp: not_nullable, got null", "returned: isin([0, 1]), got 2"],
        -2: ["amount_usd: not_nan, got NaN", "sale_id: greater_than_or_equal_to(0), got -2"],
        1: ["discount_below_amount"],
        6: ["amount_usd: not_nullable, got null"],
    }
    assert result.rejected["sale_id"].to_list() == [5, 3, -2, 1, 6]


def test_nan_is_broken_where_null_is_allowed() -> None:
    result = judge(frame(row(1, discount=None), row(2, discount=float("nan"))))
    assert result.accepted["sale_id"].to_list() == [1]
    assert result.rejected["reasons"].to_list() == [["discount: not_nan, got NaN"]]


def test_of_equal_ids_the_first_sound_row_is_kept() -> None:
    result = judge(frame(row(1, amount_usd=-1.0), row(1), row(1), row(2), row(1, amount_usd=-2.0)))
    assert result.accepted.select("sale_id", "amount_usd").rows() == [(1, 5.0), (2, 5.0)]
    reasons = result.rejected["reasons"].to_list()
    assert ["unique" in " ".join(texts) for texts in reasons] == [False, True, False]
    assert reasons[1] == ["sale_id: unique, got 1"]


def test_rows_without_an_id_are_rejected_for_that_and_are_no_duplicates() -> None:
    result = judge(frame(row(1, sale_id=None), row(1, sale_id=None)))
    assert result.rejected["reasons"].to_list() == [["sale_id: not_nullable, got null"]] * 2


def test_other_unique_columns_may_be_null_more_than_once() -> None:
    class Customer(pa.DataFrameModel):
        sale_id: int
        email: str = pa.Field(unique=True, nullable=True)

    rows = pl.DataFrame({"sale_id": [1, 2, 3, 4], "email": [None, None, "a", "a"]})
    result = judge(rows, Customer)
    assert result.accepted["sale_id"].to_list() == [1, 2, 3]
    assert result.rejected["reasons"].to_list() == [["email: unique, got a"]]


def test_the_summary_counts_rows_per_check_and_hides_personal_examples() -> None:
    result = judge(
        frame(row(1, colour="green"), row(2, colour="black"), row(3, amount_usd=-1.0, discount=None))
    )
    assert result.summary.rows() == [
        ("colour", "isin(['red', 'blue'])", 2, ""),
        ("amount_usd", "greater_than_or_equal_to(0)", 1, "-1.0"),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, -1, None]),
            st.sampled_from([None, NOON]),
            st.sampled_from([None, float("nan"), -1.0, 0.0, 5.0, 101.0]),
            st.sampled_from([None, float("nan"), -1.0, 2.0]),
            st.sampled_from([None, "red", "green"]),
            st.sampled_from([0, 1, 2, None]),
        ),
        max_size=8,
    )
)
def test_every_row_is_judged_as_by_hand(rows: list[tuple]) -> None:
    seen: set[object] = set()
    accepted = []
    for values in rows:
        sale_id, at, amount, discount, colour, returned = values
        is_sound = (
            sale_id is not None and sale_id >= 0
            and at is not None
            and amount is not None and 0 <= amount <= 100
            and (discount is None or (discount >= 0 and discount <= amount))
            and colour in (None, "red") and returned in (0, 1)
            and sale_id not in seen
        )  # fmt: skip
        if is_sound:
            seen.add(sale_id)
            accepted.append(values)
    result = judge(frame(*rows))
    assert result.accepted.rows() == accepted
    assert result.accepted.height + result.rejected.height == len(rows)
    assert all(
        reasons and reasons == sorted(set(reasons)) for reasons in result.rejected["reasons"].to_list()
    )


def test_a_check_that_fails_for_the_whole_frame_or_cannot_run_is_an_error() -> None:
    class Balanced(pa.DataFrameModel):
        sale_id: int

        @pa.dataframe_check
        @classmethod
        def has_three_rows(cls, data: pa.PolarsData) -> bool:
            return data.lazyframe.select(pl.len()).collect().item() == 3

    class Broken(pa.DataFrameModel):
        sale_id: int

        @pa.dataframe_check
        @classmethod
        def reads_a_column_that_is_not_there(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col("colour") == "red")

    rows = pl.DataFrame({"sale_id": [1, 2]})
    with pytest.raises(
        ContractError, match="shop/events: check has_three_rows says nothing about single rows"
    ):
        judge(rows, Balanced)
    with pytest.raises(ContractError, match="reads_a_column_that_is_not_there could not run"):
        judge(rows, Broken)
    assert judge(pl.DataFrame({"sale_id": [1, 2, 3]}), Balanced).accepted.height == 3


def test_many_broken_rows_stay_few_in_the_summary() -> None:
    rows = pl.concat([frame(row(1, amount_usd=-1.0))] * 50_000).with_columns(sale_id=pl.int_range(pl.len()))
    result = judge(rows)
    assert result.rejected.height == 50_000
    assert result.summary.height == 2
