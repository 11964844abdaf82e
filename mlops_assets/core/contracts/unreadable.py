"""Values that could not be read in their column's type: kept as text beside their row, until the row is rejected."""

import json
from collections.abc import Mapping

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.row_failures import MAXIMUM_TEXT, RowFailure

UNREADABLE = "unreadable"
"""Platform's column of raw rows: JSON, what stood in columns that are null because their type does not hold it."""


def with_unreadable(frame: pl.DataFrame, lost: Mapping[str, tuple[pl.Series, pl.Series]]) -> pl.DataFrame:
    """Note values that are lost in `unreadable`; a frame without any stays as it is.

    lost: column name to the values as they were, and to a mask of those that are null in `frame` since they could not
    be read. What the frame notes already stays.
    """
    if not lost:
        return frame
    told: list[str | None] = [None] * frame.height
    if UNREADABLE in frame.columns:
        told = frame[UNREADABLE].to_list()
    notes: dict[int, dict[str, str]] = {}
    for name, (values, mask) in lost.items():
        for place in pl.arg_where(mask, eager=True):
            notes.setdefault(place, {})[name] = str(values[place])[:MAXIMUM_TEXT]
    for place, note in notes.items():
        told[place] = json.dumps(json.loads(told[place] or "{}") | note, ensure_ascii=False)
    return frame.with_columns(pl.Series(UNREADABLE, told, dtype=pl.String))


def noting_unreadable(frame: pl.DataFrame) -> pl.DataFrame:
    """Give a frame the column `unreadable`, null in every row, unless it has it."""
    if UNREADABLE in frame.columns:
        return frame
    return frame.with_columns(pl.lit(None, pl.String).alias(UNREADABLE))


def unreadable_values(rows: pl.DataFrame, contract: pa.DataFrameSchema) -> list[RowFailure]:
    """Return one failure per column that holds values which could not be read."""
    if UNREADABLE not in rows.columns or rows[UNREADABLE].null_count() == rows.height:
        return []
    notes = [json.loads(text) if text else {} for text in rows[UNREADABLE]]
    failures = []
    for name, column in contract.columns.items():
        found = pl.Series([note.get(name) for note in notes], dtype=pl.String)
        if found.null_count() < found.len():
            check = f"is {column.dtype}"
            failures.append(RowFailure(name, check, found.is_not_null(), found))
    return failures


def parse_texts(frame: pl.DataFrame, types: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Read text columns in their types; a text that is none becomes null, and is told in `unreadable`.

    For sources whose files hold nothing but text. Columns of other types stay; so does a text column in which no value
    can be read, which the contract then names as retyped.
    """
    texts = [name for name in types if frame.schema.get(name) == pl.String() and types[name] != pl.String]
    parsed = {name: frame[name].str.strip_chars().cast(types[name], strict=False) for name in texts}
    lost = {
        name: (frame[name], frame[name].is_not_null() & values.is_null()) for name, values in parsed.items()
    }
    hopeless = [
        name for name in texts if parsed[name].null_count() == frame.height > frame[name].null_count()
    ]
    kept = [values for name, values in parsed.items() if name not in hopeless]
    noted = {
        name: (found, mask) for name, (found, mask) in lost.items() if name not in hopeless and mask.any()
    }
    return with_unreadable(frame.with_columns(kept), noted)
