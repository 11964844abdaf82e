"""What people write is one line of plain text; what is no such text is shown without harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.free_text import harmless, require_plain


@pytest.mark.parametrize(
    "text", ["Anna Weiß", "[bold]not markup[/]", "<script>", "خانه‌ها", "👩‍💻 says so", "50 %", ""]
)
def test_plain_text_of_any_script_is_taken_as_it_is(text: str) -> None:
    assert require_plain(f" {text} ", what="the reason") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "U+001B, at place 2"),
        ("one\ntwo", "U+000A, at place 4"),
        ("\ud800", "U+D800"),
        ("evil\u202etxt", "U+202E"),
        ("null\x00", "U+0000"),
        ("\udcff as Python reads a byte that is no UTF-8", "U+DCFF"),
        ("a\u2028b", "U+2028"),
    ],
)
def test_what_is_not_shown_is_refused_by_name_and_place(text: str, shown: str) -> None:
    with pytest.raises(ConfigurationError, match="the reason has a character that is not shown") as refused:
        require_plain(text, what="the reason")
    assert shown in str(refused.value)
    str(refused.value).encode()


def test_a_text_has_an_end() -> None:
    assert require_plain("x" * 10, what="it", maximum=10)
    with pytest.raises(ConfigurationError, match="it has 11 characters; it may have 10"):
        require_plain("x" * 11, what="it", maximum=10)


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_is_shown_without_harm(text: str) -> None:
    shown = harmless(text)
    assert len(shown) == len(text)
    assert require_plain(shown, what="it", maximum=len(text)) == shown.strip()
    shown.encode()
