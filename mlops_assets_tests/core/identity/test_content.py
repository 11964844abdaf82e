"""Rows have the same digest wherever they lie, and another one as soon as a bit, a null or an order differs."""

import subprocess
import sys
from datetime import UTC, date, datetime

import polars as pl
import pytest

from mlops_assets.core.identity import content
from mlops_assets.core.identity.content import frame_digest, rows_digest, value_digest

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "amount": [0.5, None, float("nan")],
        "name": ["a", "bc", None],
        "is_late": [True, None, False],
        "at": [datetime(2018, 4, 1, tzinfo=UTC), None, datetime(2018, 4, 2, tzinfo=UTC)],
        "day": [date(2018, 4, 1), date(2018, 4, 2), None],
        "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        "nothing": [None, None, None],
        "many": [[1, 2], [], None],
    }
)
OTHERS = {
    "a value": FRAME.with_columns(id=pl.Series([1, 2, 4])),
    "a bit": FRAME.with_columns(amount=pl.Series([0.5000000000000001, None, float("nan")])),
    "a null for a zero": FRAME.with_columns(amount=pl.Series([0.5, 0.0, float("nan")])),
    "a null for an empty text": FRAME.with_columns(name=pl.Series(["a", "bc", ""])),
    "where a text ends": FRAME.with_columns(name=pl.Series(["ab", "c", None])),
    "a null for a no": FRAME.with_columns(is_late=pl.Series([True, False, False])),
    "a day": FRAME.with_columns(day=pl.Series([date(2018, 4, 1), date(2018, 4, 3), None])),
    "a category": FRAME.with_columns(kind=pl.Series(["x", "y", "y"], dtype=pl.Categorical)),
    "an element": FRAME.with_columns(many=pl.Series([[1, 3], [], None])),
    "the order of rows": FRAME.reverse(),
    "the order of columns": FRAME.select(FRAME.columns[::-1]),
    "a column's name": FRAME.rename({"id": "key"}),
    "a column's type": FRAME.with_columns(pl.col("id").cast(pl.Int32)),
    "a row less": FRAME.head(2),
    "no row": FRAME.clear(),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_content_is_another_digest(what: str) -> None:
    assert frame_digest(OTHERS[what]) != frame_digest(FRAME)


def test_how_rows_lie_in_memory_does_not_count() -> None:
    pieces = pl.concat([FRAME.head(1), FRAME.slice(1, 1), FRAME.tail(1)], rechunk=False)
    sliced = pl.concat([FRAME, FRAME]).slice(1, 3).sort("id")
    assert frame_digest(pieces) == frame_digest(FRAME)
    assert frame_digest(sliced.sort("id")) == frame_digest(sliced.rechunk())
    written = pl.DataFrame({"a": pl.Series([1, None, 3]), "b": pl.Series([None, "x", "y"])})
    other = pl.DataFrame({"a": [1, 2, 3], "b": ["z", "x", "y"]}).with_columns(
        a=pl.when(pl.col("a") != 2).then("a"), b=pl.when(pl.col("b") != "z").then("b")
    )
    assert frame_digest(written) == frame_digest(other)


def test_versions_carry_digests_so_that_they_stay_as_they_are() -> None:
    assert frame_digest(FRAME) == "3cb9ce4bb0cdeac1a7d6ec8ae56da5e329c85fcd360bf9e7297d766b01e195e0"


@pytest.mark.parametrize("rows", [1, 2])
def test_how_many_texts_are_joined_at_once_does_not_count(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame_digest(FRAME)
    monkeypatch.setattr(content, "JOINED_ROWS", rows)
    assert frame_digest(FRAME) == whole


def test_another_process_finds_the_same_digest() -> None:
    script = (
        "import polars as pl; from mlops_assets.core.identity.content import frame_digest; "
        "print(frame_digest(pl.DataFrame({'a': [1.5, None], 'b': ['x', None]})))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.strip() == frame_digest(pl.DataFrame({"a": [1.5, None], "b": ["x", None]}))


def test_values_are_compared_by_what_they_say() -> None:
    assert value_digest({"a": 1, "b": [2, None]}) == value_digest({"b": [2, None], "a": 1})
    assert value_digest({"a": 1}) != value_digest({"a": 2})
    assert value_digest(None) != value_digest("")


def test_the_digest_of_rows_counts_each_row_and_no_order() -> None:
    reordered = FRAME.reverse().select(FRAME.columns[::-1])
    assert rows_digest(reordered) == rows_digest(FRAME) != frame_digest(FRAME)
    others = {
        "a row twice": pl.concat([FRAME, FRAME.head(1)]),
        "a row less": FRAME.head(2),
        "a value": FRAME.with_columns(id=pl.Series([1, 2, 4])),
        "values of two rows exchanged": FRAME.with_columns(id=FRAME["id"].reverse()),
        "a null for a zero": FRAME.with_columns(amount=pl.Series([0.5, 0.0, float("nan")])),
        "a type": FRAME.with_columns(pl.col("id").cast(pl.Int32)),
        "a name": FRAME.rename({"id": "number"}),
        "no row": FRAME.clear(),
    }
    digests = {name: rows_digest(frame) for name, frame in others.items()}
    assert rows_digest(FRAME) not in digests.values()
    assert len({*digests.values()}) == len(others)
