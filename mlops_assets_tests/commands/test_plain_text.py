"""Whatever a person or a file says is printed letter by letter."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_assets.cli_parts import console
from mlops_assets.commands.plain_text import plain
from mlops_assets.core.free_text import harmless


@given(st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from("[]/\\=\x1b\n\u202e:"))))
@example("\\")
@example("\\\\")
@example("[\\\\\n\\[b]\\")
@example("a [b]\\")
@example(":red_circle:")
def test_any_text_is_printed_as_it_is_wherever_it_stands_in_markup(text: str) -> None:
    shown = "\n".join(harmless(line) for line in text.split("\n"))
    terminal = console()
    assert terminal.render_str(plain(text), highlight=False).plain == shown
    assert terminal.render_str(f"[bold]{plain(text)}[/]", highlight=False).plain == shown
    assert terminal.render_str(f"[red]a[/] {plain(text)} [dim]b[/]", highlight=False).plain == f"a {shown} b"
    shown.encode()
