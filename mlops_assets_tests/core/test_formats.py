"""The sentence about a format that is not read."""

import pytest

from mlops_assets.core.formats import other_format


@pytest.mark.parametrize(
    ("found", "writer"),
    [
        (3, "a later version of mlops-assets wrote it"),
        (1, "this version does not know it"),
        (None, "this version does not know it"),
        ("2", "this version does not know it"),
    ],
)
def test_it_names_both_formats_who_is_behind_and_what_to_do(found: object, writer: str) -> None:
    said = other_format("a file", found, readable=2, remedy="read it elsewhere")
    assert said == f"a file has format {found}, readable is 2: {writer}; read it elsewhere"
