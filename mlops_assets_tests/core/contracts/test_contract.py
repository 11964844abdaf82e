"""Contracts: drift of columns, rows that break a check, and what the UI is told about a column."""

from datetime import UTC, date, datetime
from typing import Annotated

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.model_config import BaseConfig

from mlops_assets.core.contracts.contract import (
    apply_contract,
    conform,
    describe_columns,
    event_columns,
    with_event_date,
    with_known_date,
)
from mlops_assets.core.errors import ContractError, SchemaDriftError
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


def test_sound_rows_pass_and_an_empty_frame_keeps_its_columns() -> None:
    for rows in (frame(row(1), row(2)), frame()):
        result = judge(rows)
        assert result.accepted.equals(rows)
        assert result.rejected.schema == {**SCHEMA, "reasons": pl.List(pl.String)}
        assert result.rejected.is_empty()
        assert result.summary.columns == ["column", "check", "rows", "example"]
        assert result.summary.is_empty()


def test_drift_lists_new_missing_and_retyped_columns_and_what_to_do() -> None:
    drifted = frame(row(1)).drop("colour").with_columns(pl.col("amount_usd").cast(pl.String), size=pl.lit(1))
    with pytest.raises(SchemaDriftError) as caught:
        conform(drifted, Sale, subject="shop/raw_events")
    text = str(caught.value)
    assert text.startswith("shop/raw_events: the columns differ from the contract Sale:")
    assert "new column size: Int32" in text
    assert "missing column colour: expected String" in text
    assert "retyped column amount_usd: expected Float64, found String" in text
    assert "change the contract and reprocess; otherwise mend the source" in text
    with pytest.raises(SchemaDriftError):
        judge(drifted)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("sale_id", pl.Series([7], dtype=pl.UInt8)),
        ("sale_id", pl.Series([7], dtype=pl.Int32)),
        ("amount_usd", pl.Series([0.5], dtype=pl.Float32)),
        ("amount_usd", pl.Series([5], dtype=pl.Int64)),
        ("discount", pl.Series([None], dtype=pl.Null)),
        ("colour", pl.Series(["red"], dtype=pl.Categorical)),
        ("returned", pl.Series([1], dtype=pl.Int64)),
        ("event_timestamp", pl.Series([NOON], dtype=pl.Datetime("ms", "UTC"))),
        ("event_timestamp", pl.Series([NOON], dtype=pl.Datetime("ns", "Europe/Berlin"))),
    ],
    ids=str,
)
def test_a_lossless_type_is_cast_and_is_no_drift(column: str, values: pl.Series) -> None:
    given = frame(row(1)).with_columns(values.alias(column)).select(sorted(SCHEMA))
    conformed = conform(given, Sale, subject="shop/raw_events")
    assert conformed.schema == SCHEMA
    assert conformed[column].to_list() == values.to_list()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("sale_id", pl.Series(["1"])),
        ("event_timestamp", pl.Series([NOON]).dt.replace_time_zone(None)),
        ("event_timestamp", pl.Series([date(2018, 4, 1)])),
        ("colour", pl.Series([1])),
    ],
    ids=str,
)
def test_a_type_of_another_kind_is_drift(column: str, values: pl.Series) -> None:
    with pytest.raises(SchemaDriftError, match=f"retyped column {column}: expected .*, found "):
        conform(frame(row(1)).with_columns(values.alias(column)), Sale, subject="shop/raw_events")


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        (
            "sale_id",
            pl.Series([1, 2**63], dtype=pl.UInt64),
            "sale_id: is Int64, got 9223372036854775808",
        ),
        ("sale_id", pl.Series([1.0, 1.7]), "sale_id: is Int64, got 1.7"),
        ("sale_id", pl.Series([1.0, float("nan")]), "sale_id: is Int64, got nan"),
        ("amount_usd", pl.Series([5, 2**53 + 1]), "amount_usd: is Float64, got 9007199254740993"),
        ("returned", pl.Series([1, 300], dtype=pl.Int64), "returned: is Int8, got 300"),
        ("returned", pl.Series([0.0, 0.9]), "returned: is Int8, got 0.9"),
    ],
    ids=str,
)
def test_a_value_that_its_type_does_not_hold_rejects_its_row_alone(
    column: str, values: pl.Series, reason: str
) -> None:
    given = frame(row(1), row(2)).with_columns(values.alias(column))
    raw = conform(given, Sale, subject="shop/raw_events")
    assert raw.select(list(SCHEMA)).schema == SCHEMA
    result = judge(raw)
    assert result.accepted.columns == list(SCHEMA)
    assert result.accepted[column].to_list() == [values[0]]
    assert result.rejected["reasons"].to_list() == [[reason]]
    assert result.rejected.columns == [*SCHEMA, "reasons"]
    assert result.summary.rows() == [
        (column, reason.split(": ")[1].split(",", maxsplit=1)[0], 1, reason.split("got ")[1])
    ]


def test_times_are_cut_to_microseconds_towards_the_past() -> None:
    nanoseconds = pl.Series([1_999, -1], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    given = frame(row(1), row(2)).with_columns(nanoseconds.alias("event_timestamp"))
    conformed = conform(given, Sale, subject="shop/raw_events")
    assert conformed["event_timestamp"].to_physical().to_list() == [1, -1]


def test_the_platforms_own_day_passes_beside_a_strict_contract() -> None:
    dated = with_event_date(frame(row(1), row(2, amount_usd=-1.0)))
    result = judge(dated)
    assert result.accepted.columns == [*SCHEMA, "event_date"]
    assert result.accepted["event_date"].to_list() == [date(2018, 4, 1)]
    assert result.rejected.columns == [*SCHEMA, "event_date", "reasons"]

    class Greedy(pa.DataFrameModel):
        event_date: pl.Date

    with pytest.raises(ContractError, match="event_date is the platform's own"):
        conform(dated, Greedy, subject="shop/events")


def test_days_are_utc_and_a_row_without_time_needs_one_named() -> None:
    late = datetime(2018, 4, 1, 23, 30, tzinfo=UTC)
    berlin = pl.Series([late], dtype=pl.Datetime("us", "Europe/Berlin"))
    assert with_event_date(pl.DataFrame({"event_timestamp": berlin}))["event_date"].to_list() == [
        date(2018, 4, 1)
    ]
    assert with_known_date(pl.DataFrame({"known_at": berlin}))["known_date"].to_list() == [date(2018, 4, 1)]
    undated = frame(row(1), row(2, event_timestamp=None))
    with pytest.raises(ContractError, match="event_timestamp is null in 1 of 2 rows"):
        with_event_date(undated)
    assert with_event_date(undated, undated=date(2018, 4, 2))["event_date"].to_list()[1] == date(2018, 4, 2)
    with pytest.raises(ContractError, match="known_at is null in 1 of 1 rows"):
        with_known_date(pl.DataFrame({"known_at": [None]}, schema={"known_at": UTC_TIME}))


def test_columns_are_described_in_the_words_of_the_contract() -> None:
    docs = {doc.name: doc for doc in describe_columns(Sale)}
    assert list(docs) == list(SCHEMA)
    amount = docs["amount_usd"]
    assert (amount.dtype, amount.is_nullable, amount.description, amount.unit) == (
        "Float64",
        False,
        "What was paid.",
        "USD",
    )
    assert amount.checks == ("greater_than_or_equal_to(0)", "less_than_or_equal_to(100)")
    assert docs["sale_id"].checks == ("unique", "greater_than_or_equal_to(0)")
    assert (docs["discount"].null_means, docs["discount"].is_nullable) == ("none was given", True)
    assert (docs["returned"].is_outcome, docs["colour"].is_pii) == (True, True)
    assert event_columns(Sale) == tuple(SCHEMA)[:-1]
