"""Pictures and tables in an asset's page."""

import base64

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.assets.support.pictures import picture, table


@given(st.binary(min_size=1))
def test_a_picture_travels_inside_its_text(png: bytes) -> None:
    text = str(picture(png, caption="rows per day").value)
    head, encoded = text.removesuffix(")").split(";base64,")
    assert head == "![rows per day](data:image/png"
    assert base64.b64decode(encoded) == png


def test_a_table_has_a_line_per_row_and_says_what_it_left_out() -> None:
    frame = pl.DataFrame({"name": ["a|b", "c\nd", "e"], "value": [0.123456, None, 12345.6]})
    lines = str(table(frame, rows=2).value).splitlines()
    assert lines[:4] == ["| name | value |", "| --- | --- |", "| a\\|b | 0.1235 |", "| c d | – |"]
    assert lines[-1] == "1 more rows"


@pytest.mark.parametrize("rows", [3, 4])
def test_a_table_that_is_shown_whole_says_nothing_more(rows: int) -> None:
    text = str(table(pl.DataFrame({"n": [1, 2, 3]}), rows=rows).value)
    assert text.splitlines()[-1] == "| 3 |"


def test_what_data_or_a_person_says_is_no_markup() -> None:
    frame = pl.DataFrame(
        {"<b>name": ["<img src=x onerror=alert(1)>", "[a](javascript:b)", "`c` *d* \\e &lt;", "f\x1b"]}
    )
    lines = str(table(frame).value).splitlines()
    assert lines[0] == r"| \<b\>name |"
    assert lines[2:] == [
        r"| \<img src=x onerror=alert(1)\> |",
        r"| \[a\](javascript:b) |",
        r"| \`c\` \*d\* \\e \&lt; |",
        "| f\ufffd |",
    ]
