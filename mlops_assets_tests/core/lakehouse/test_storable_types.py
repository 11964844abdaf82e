"""Which columns a table takes, and how it returns them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.times import UTC_TIME

COMMIT = CommitInfo(run_id="run-1", code_version="7")
NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pl.Series(["a", None], dtype=pl.Categorical), pl.String()),
        (pl.Series(["a", None], dtype=pl.Enum(["a", "b"])), pl.String()),
        (
            pl.Series([[["a"], ["b"]], None], dtype=pl.List(pl.List(pl.Categorical))),
            pl.List(pl.List(pl.String)),
        ),
        (pl.Series([255, None], dtype=pl.UInt8), pl.Int16()),
        (pl.Series([65_535, None], dtype=pl.UInt16), pl.Int32()),
        (pl.Series([2**32 - 1, None], dtype=pl.UInt32), pl.Int64()),
        (pl.Series([2**63 - 1, None], dtype=pl.UInt64), pl.Int64()),
        (pl.Series([1, None], dtype=pl.Int8), pl.Int8()),
        (pl.Series([0.1, None], dtype=pl.Float32), pl.Float32()),
        (pl.Series([True, None]), pl.Boolean()),
        (pl.Series([b"x", None]), pl.Binary()),
        (pl.Series([date(2018, 4, 1), None]), pl.Date()),
        (pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)), pl.Decimal(10, 2)),
        (pl.Series([NOON, None], dtype=UTC_TIME), UTC_TIME),
        (pl.Series([NOON, None], dtype=pl.Datetime("ns", "UTC")), UTC_TIME),
        (pl.Series([NOON, None], dtype=pl.Datetime("ms", "UTC")), UTC_TIME),
        (pl.Series([NOON, None], dtype=pl.Datetime("us", "Europe/Berlin")), UTC_TIME),
        (pl.Series([[1.0, 2.0], None], dtype=pl.Array(pl.Float64, 2)), pl.List(pl.Float64)),
        (
            pl.Series([{"a": 1, "b": "x"}, None], dtype=pl.Struct({"a": pl.UInt8, "b": pl.Enum(["x"])})),
            pl.Struct({"a": pl.Int16, "b": pl.String}),
        ),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else None,
)
def test_a_column_comes_back_with_its_values_and_a_second_write_is_no_change(
    tmp_path: Path, column: pl.Series, dtype: pl.DataType
) -> None:
    tables = DeltaTables(str(tmp_path))
    frame = column.rename("value").to_frame()
    tables.write("shop", "goods", frame, days=None, commit=COMMIT)
    stored = tables.read("shop", "goods")["value"]
    assert stored.dtype == dtype
    assert stored.to_list() == column.to_list()
    assert not tables.write("shop", "goods", frame, days=None, commit=COMMIT).changed


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([None, None]), "column value has type Null, .* nothing but nulls"),
        (pl.Series([[None]]), "column value has type Null"),
        (pl.Series([time(12)]), "column value has type Time, .* seconds since midnight"),
        (pl.Series([timedelta(days=1)]), "column value has type Duration"),
        (pl.Series([1], dtype=pl.Int128), "column value has type Int128"),
        (pl.Series([{"a": time(12)}]), r"column value\.a has type Time"),
        (pl.Series([2**63], dtype=pl.UInt64), "column value does not fit Int64"),
        (pl.Series([1], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")), "value holds nanoseconds in 1 rows"),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else None,
)
def test_a_column_that_would_change_is_refused_by_name(
    tmp_path: Path, column: pl.Series, message: str
) -> None:
    tables = DeltaTables(str(tmp_path))
    with pytest.raises(
        TableError, match=f"shop/goods: {'column ' if message.startswith('value') else ''}{message}"
    ):
        tables.write("shop", "goods", column.rename("value").to_frame(), days=None, commit=COMMIT)
    assert not tables.exists("shop", "goods")
