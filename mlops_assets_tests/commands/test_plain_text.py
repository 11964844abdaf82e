"""Whatever a person or a file says is printed letter by letter."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from mlops_assets.commands.plain_text import plain
from mlops_assets.core.free_text import harmless


@given(st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from("[]/\\=\x1b\n\u202e"))))
def test_any_text_is_printed_as_it_is(text: str) -> None:
    printed = StringIO()
    console = Console(file=printed, width=10_000)
    console.print(plain(text), highlight=False, soft_wrap=True, emoji=False)
    assert printed.getvalue() == "\n".join(harmless(line) for line in text.split("\n")) + "\n"
    table = Table("said")
    table.add_row(plain(text))
    console.print(table)
    printed.getvalue().encode()
