"""Values that could not be read: kept as text beside their row, and told by column."""

import json

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.row_failures import MAXIMUM_TEXT
from mlops_assets.core.contracts.unreadable import (
    UNREADABLE,
    noting_unreadable,
    parse_texts,
    unreadable_values,
    with_unreadable,
)

CONTRACT = pa.DataFrameSchema({"age": pa.Column(pl.Int64), "paid": pa.Column(pl.Float64)})
TYPES = {"age": pl.Int64, "paid": pl.Float64}


def notes(frame: pl.DataFrame) -> list[dict[str, str] | None]:
    return [json.loads(text) if text else None for text in frame[UNREADABLE]]


def test_texts_become_values_and_what_is_none_is_told_and_null() -> None:
    found = parse_texts(pl.DataFrame({"age": [" 7 ", "seven", None], "paid": ["1.5", "2", "?"]}), TYPES)
    assert found["age"].to_list() == [7, None, None]
    assert found["paid"].to_list() == [1.5, 2.0, None]
    assert notes(found) == [None, {"age": "seven"}, {"paid": "?"}]


def test_a_frame_that_reads_well_gets_no_column() -> None:
    found = parse_texts(pl.DataFrame({"age": ["7"], "paid": [1.5]}), TYPES)
    assert found.to_dicts() == [{"age": 7, "paid": 1.5}]
    assert noting_unreadable(found)[UNREADABLE].to_list() == [None]
    told = with_unreadable(found, {"age": (pl.Series(["x"]), pl.Series([True]))})
    assert noting_unreadable(told).equals(told)


def test_a_column_in_which_nothing_can_be_read_stays_for_the_contract_to_name() -> None:
    frame = pl.DataFrame({"age": ["old", "young"], "paid": ["1", "2"]})
    found = parse_texts(frame, TYPES)
    assert found["age"].equals(frame["age"])
    assert UNREADABLE not in found.columns


def test_notes_of_an_earlier_step_stay_and_long_ones_are_cut() -> None:
    first = with_unreadable(
        pl.DataFrame({"age": [None, 1]}), {"age": (pl.Series(["x", "1"]), pl.Series([True, False]))}
    )
    both = with_unreadable(first, {"paid": (pl.Series(["y" * 1000, "z"]), pl.Series([True, True]))})
    assert notes(both) == [{"age": "x", "paid": "y" * MAXIMUM_TEXT}, {"paid": "z"}]


def test_each_column_with_such_values_is_one_failure_of_those_rows() -> None:
    rows = parse_texts(pl.DataFrame({"age": ["7", "seven", "8"], "paid": ["1", "2", "?"]}), TYPES)
    found = {failure.column: failure for failure in unreadable_values(rows, CONTRACT)}
    assert {name: failure.broken.to_list() for name, failure in found.items()} == {
        "age": [False, True, False], "paid": [False, False, True]
    }  # fmt: skip
    assert unreadable_values(rows.drop(UNREADABLE), CONTRACT) == []
    assert unreadable_values(rows[:1], CONTRACT) == []
