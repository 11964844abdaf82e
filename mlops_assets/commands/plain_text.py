"""Text of a person or a file, ready for a table or a line of the terminal."""

from rich.markup import escape

from mlops_assets.core.free_text import harmless


def plain(text: str) -> str:
    """Return the text as rich prints it letter by letter, line by line: no markup counts, no character is hidden."""
    return "\n".join(escape(harmless(line)) for line in text.split("\n"))
